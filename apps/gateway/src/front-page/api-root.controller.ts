import { Controller, Get } from '@nestjs/common';
import { Base } from '../http/base-url.js';
import { ApiRoot } from './api-root.js';

@Controller('v1')
export class ApiRootController {
  constructor(private readonly root: ApiRoot) {}

  @Get()
  show(@Base() base: string) {
    return this.root.show(base);
  }
}
