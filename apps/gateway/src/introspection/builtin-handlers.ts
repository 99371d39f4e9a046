import { Injectable } from '@nestjs/common';
import { type BuiltinHandler, listBuiltinHandlers } from '@drover/contracts';
import { MessageBus } from '@drover/messaging';

/** The handlers inside the engines, as an engine tells them. */
@Injectable()
export class BuiltinHandlers {
  constructor(private readonly bus: MessageBus) {}

  /** @throws DroverError Unavailable: no engine answers */
  async list(): Promise<BuiltinHandler[]> {
    return (await this.bus.request(listBuiltinHandlers, {})).handlers;
  }

  /** Has one of them this name? While no engine answers, none is known. */
  async has(name: string): Promise<boolean> {
    const handlers = await this.list().catch(() => []);
    return handlers.some((handler) => handler.name === name);
  }
}
