import { claimDueWork, loadWork, releaseWaiting, type WorkRow } from '@drover/contracts';
import { ContractHandler } from '@drover/messaging';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { DueWorkService } from './due-work.service.js';

@Controller()
export class DueWorkController {
  constructor(private readonly dueWork: DueWorkService) {}

  @ContractHandler(claimDueWork)
  claim(@Payload() request: { limit: number; leaseMillis: number }) {
    return this.dueWork.claim(request.limit, request.leaseMillis);
  }

  @ContractHandler(loadWork)
  async load(@Payload() request: { processIds: number[]; byPredecessor?: boolean }): Promise<{ work: WorkRow[] }> {
    return { work: await this.dueWork.load(request.processIds, request.byPredecessor === true) };
  }

  @ContractHandler(releaseWaiting)
  async release(@Payload() request: { handler: string; limit: number }) {
    return { released: await this.dueWork.release(request.handler, request.limit) };
  }
}
