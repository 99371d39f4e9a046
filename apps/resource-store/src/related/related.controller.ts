import { readRelated } from '@drover/contracts';
import { ContractHandler } from '@drover/messaging';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { type RelatedRequest, RelatedService } from './related.service.js';

@Controller()
export class RelatedController {
  constructor(private readonly related: RelatedService) {}

  @ContractHandler(readRelated)
  read(@Payload() request: RelatedRequest) {
    return this.related.read(request);
  }
}
