import { applyDefinition, deleteDefinition, readDefinition, readRegistry } from '@drover/contracts';
import type { JsonObject } from '@drover/kernel';
import { ContractHandler } from '@drover/messaging';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { RegistryService } from './registry.service.js';

@Controller()
export class RegistryController {
  constructor(private readonly registry: RegistryService) {}

  @ContractHandler(readRegistry)
  read(@Payload() request: { sinceRevision: number; afterName: string | null }) {
    return this.registry.read(request.sinceRevision, request.afterName);
  }

  @ContractHandler(readDefinition)
  readOne(@Payload() request: { name: string; version: number | null }) {
    return this.registry.readOne(request.name, request.version);
  }

  @ContractHandler(applyDefinition)
  apply(@Payload() request: { document: JsonObject; mode: 'create' | 'update'; name: string | null }) {
    return this.registry.apply(request);
  }

  @ContractHandler(deleteDefinition)
  async delete(@Payload() request: { name: string }) {
    await this.registry.delete(request.name);
    return { deleted: true as const };
  }
}
