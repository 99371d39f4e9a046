import {
  admitAttempts,
  liftPause,
  type LimitRow,
  listLimits,
  listPauses,
  readGate,
  removeLimit,
  setLimit,
  setPause,
} from '@drover/contracts';
import { ContractHandler } from '@drover/messaging';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { AdmissionsService, type AdmitRequest } from './admissions.service.js';
import { LimitsService } from './limits.service.js';
import { PausesService } from './pauses.service.js';

@Controller()
export class GatesController {
  constructor(
    private readonly pauses: PausesService,
    private readonly limits: LimitsService,
    private readonly admissions: AdmissionsService,
  ) {}

  @ContractHandler(setPause)
  set(@Payload() request: { scope: string; operator: string | null; reason: string | null }) {
    return this.pauses.set(request);
  }

  @ContractHandler(liftPause)
  lift(@Payload() request: { scope: string }) {
    return this.pauses.lift(request.scope);
  }

  @ContractHandler(listPauses)
  async list(@Payload() request: { scope: string | null }) {
    return { pauses: await this.pauses.list(request.scope) };
  }

  @ContractHandler(setLimit)
  setLimit(@Payload() request: LimitRow) {
    return this.limits.set(request);
  }

  @ContractHandler(removeLimit)
  async removeLimit(@Payload() request: { scope: string }) {
    return { limit: await this.limits.remove(request.scope) };
  }

  @ContractHandler(listLimits)
  async listLimits(@Payload() request: { scope: string | null }) {
    return { limits: await this.limits.list(request.scope) };
  }

  @ContractHandler(admitAttempts)
  admit(@Payload() request: AdmitRequest) {
    return this.admissions.admit(request);
  }

  @ContractHandler(readGate)
  read(@Payload() request: { handler: string }) {
    return this.admissions.read(request.handler);
  }
}
