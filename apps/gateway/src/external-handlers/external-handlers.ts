import { Injectable } from '@nestjs/common';
import type { JsonObject } from '@drover/kernel';
import type { CommandOptions } from '../http/command-headers.js';
import { Registry } from '../registry/registry.js';
import { ResourceCommands } from '../resources/resource-commands.js';
import { changedFields, registrationFields } from './registration.js';

const PLURAL = 'externalhandlers';

/** External handlers are resources; only what they register is checked further. */
@Injectable()
export class ExternalHandlers {
  constructor(
    private readonly registry: Registry,
    private readonly commands: ResourceCommands,
  ) {}

  /** 201 in state `registering`. A name that an active handler has, or a known uuid, is 409. */
  async create(body: JsonObject, options: CommandOptions, base: string): Promise<JsonObject> {
    return this.commands.create(PLURAL, await this.registration(body), options, base);
  }

  async update(id: string, body: JsonObject, options: CommandOptions, base: string): Promise<JsonObject> {
    return this.commands.update(
      PLURAL,
      id,
      await this.registry.judge(({ types }) => changedFields(body, types)),
      options,
      base,
    );
  }

  /** @throws DroverError as `registrationFields` */
  registration(body: JsonObject): Promise<JsonObject> {
    return this.registry.judge(({ types }) => registrationFields(body, types));
  }
}
