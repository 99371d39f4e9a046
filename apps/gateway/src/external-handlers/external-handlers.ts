import { Injectable } from '@nestjs/common';
import { readGate } from '@drover/contracts';
import { DroverError, type Json, type JsonObject } from '@drover/kernel';
import { Backend } from '../backend/backend.js';
import type { CommandOptions } from '../http/command-headers.js';
import { bodyFor, type RequestBody } from '../http/form.js';
import { BuiltinHandlers } from '../introspection/builtin-handlers.js';
import { Registry } from '../registry/registry.js';
import { ResourceCommands } from '../resources/resource-commands.js';
import { ResourceReads } from '../resources/resource-reads.js';
import { changedFields, registrationFields } from './registration.js';

const PLURAL = 'externalhandlers';

/** External handlers are resources; only what they register is checked further. */
@Injectable()
export class ExternalHandlers {
  constructor(
    private readonly registry: Registry,
    private readonly commands: ResourceCommands,
    private readonly engines: BuiltinHandlers,
    private readonly reads: ResourceReads,
    private readonly backend: Backend,
  ) {}

  /** 201 in state `registering`. A name that an active handler has, or a known uuid, is 409. */
  async create(body: RequestBody, options: CommandOptions, base: string): Promise<JsonObject> {
    const type = await this.registry.typeOfPath(PLURAL);
    return this.commands.createOf(type, await this.registration(bodyFor(type, body)), options, base);
  }

  /** As every resource; one with limits also tells what passes its gate now. */
  async read(id: string, base: string): Promise<JsonObject> {
    const json = await this.reads.read(PLURAL, id, base);
    const { name, maxInFlight = null, circuitBreaker = null } = json;
    if (typeof name !== 'string' || (maxInFlight === null && circuitBreaker === null)) return json;
    const { inFlight, held, circuit } = await this.backend.call(readGate, { handler: name });
    return { ...json, inFlight, held, circuit };
  }

  async update(id: string, body: RequestBody, options: CommandOptions, base: string): Promise<JsonObject> {
    const { inFlight: _, held: __, circuit: ___, ...fields } = bodyFor(await this.registry.typeOfPath(PLURAL), body);
    const changed = await this.registry.judge(({ types }) => changedFields(fields, types));
    await this.refuseBuiltin(changed['name']);
    return this.commands.update(PLURAL, id, changed, options, base);
  }

  /** @throws DroverError as `registrationFields`; NotUnique when an in-process handler has the name */
  async registration(body: JsonObject): Promise<JsonObject> {
    const fields = await this.registry.judge(({ types }) => registrationFields(body, types));
    await this.refuseBuiltin(fields['name']);
    return fields;
  }

  /** One of two handlers of one name would never be asked. While no engine answers, the engines' logs tell. */
  private async refuseBuiltin(name: Json | undefined): Promise<void> {
    if (typeof name !== 'string') return;
    if (await this.engines.has(name))
      throw new DroverError('NotUnique', `An in-process handler of the engines is named ${name}; choose another name`, {
        fieldName: 'name',
      });
  }
}
