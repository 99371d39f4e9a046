import {
  checkInvariants,
  countProcesses,
  countResources,
  listProcesses,
  listResources,
  listTransitions,
  readResources,
  readSummary,
  readWhy,
} from '@drover/contracts';
import { ContractHandler } from '@drover/messaging';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { CountsService } from './counts.service.js';
import { InvariantsService } from './invariants.service.js';
import { QueryService } from './query.service.js';
import { WhyReader } from './why-reader.js';

@Controller()
export class QueryController {
  constructor(
    private readonly query: QueryService,
    private readonly invariants: InvariantsService,
    private readonly counts: CountsService,
    private readonly whyReader: WhyReader,
  ) {}

  @ContractHandler(readResources)
  read(@Payload() request: { ids: number[] }) {
    return this.query.byIds(request.ids);
  }

  @ContractHandler(listResources)
  resources(@Payload() request: Parameters<QueryService['resources']>[0]) {
    return this.query.resources(request);
  }

  @ContractHandler(listTransitions)
  transitions(@Payload() request: { resourceId: number; limit: number; afterRevision: number | null }) {
    return this.query.transitions(request.resourceId, request.limit, request.afterRevision);
  }

  @ContractHandler(listProcesses)
  processes(@Payload() request: Parameters<QueryService['processes']>[0]) {
    return this.query.processes(request);
  }

  @ContractHandler(countProcesses)
  countProcesses(@Payload() request: Parameters<CountsService['processes']>[0]) {
    return this.counts.processes(request);
  }

  @ContractHandler(countResources)
  countResources(@Payload() request: Parameters<CountsService['resources']>[0]) {
    return this.counts.resources(request);
  }

  @ContractHandler(readSummary)
  summary() {
    return this.query.summary();
  }

  @ContractHandler(readWhy)
  async why(@Payload() request: { resourceId: number }) {
    return { why: await this.whyReader.read(request.resourceId) };
  }

  @ContractHandler(checkInvariants)
  async check() {
    return { violations: await this.invariants.check() };
  }
}
