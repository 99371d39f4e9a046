import { leaseSlots, wakeSlot } from '@drover/contracts';
import { ContractHandler } from '@drover/messaging';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { SlotsService } from './slots.service.js';

@Controller()
export class SlotsController {
  constructor(private readonly slots: SlotsService) {}

  @ContractHandler(leaseSlots)
  lease(@Payload() request: Parameters<SlotsService['lease']>[0]) {
    return this.slots.lease(request);
  }

  @ContractHandler(wakeSlot)
  async wake(@Payload() request: { slot: number; epoch: number }) {
    return { woken: await this.slots.wake(request.slot, request.epoch) };
  }
}
