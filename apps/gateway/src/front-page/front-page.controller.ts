import { Controller, Get, Header } from '@nestjs/common';
import { Base } from '../http/base-url.js';
import { FrontPage } from './front-page.js';

@Controller()
export class FrontPageController {
  constructor(private readonly frontPage: FrontPage) {}

  @Get()
  @Header('content-type', 'text/html; charset=utf-8')
  show(@Base() base: string) {
    return this.frontPage.html(base);
  }
}
