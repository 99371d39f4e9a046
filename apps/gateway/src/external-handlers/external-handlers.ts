import { Injectable } from '@nestjs/common';
import type { JsonObject } from '@drover/kernel';
import type { CommandOptions } from '../http/command-headers.js';
import { bodyFor, type RequestBody } from '../http/form.js';
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
  async create(body: RequestBody, options: CommandOptions, base: string): Promise<JsonObject> {
    const type = await this.registry.typeOfPath(PLURAL);
    return this.commands.createOf(type, await this.registration(bodyFor(type, body)), options, base);
  }

  async update(id: string, body: RequestBody, options: CommandOptions, base: string): Promise<JsonObject> {
    const fields = bodyFor(await this.registry.typeOfPath(PLURAL), body);
    const changed = await this.registry.judge(({ types }) => changedFields(fields, types));
    return this.commands.update(PLURAL, id, changed, options, base);
  }

  /** @throws DroverError as `registrationFields` */
  registration(body: JsonObject): Promise<JsonObject> {
    return this.registry.judge(({ types }) => registrationFields(body, types));
  }
}
