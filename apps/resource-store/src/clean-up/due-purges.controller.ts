import { listDuePurges } from '@drover/contracts';
import { ContractHandler } from '@drover/messaging';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { DuePurgesService } from './due-purges.service.js';

@Controller()
export class DuePurgesController {
  constructor(private readonly purges: DuePurgesService) {}

  @ContractHandler(listDuePurges)
  list(@Payload() request: Parameters<DuePurgesService['list']>[0]) {
    return this.purges.list(request);
  }
}
