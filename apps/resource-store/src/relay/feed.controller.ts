import { readFeed } from '@drover/contracts';
import { ContractHandler } from '@drover/messaging';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { FeedReader } from './feed-reader.js';

@Controller()
export class FeedController {
  constructor(private readonly feed: FeedReader) {}

  @ContractHandler(readFeed)
  read(@Payload() request: { after: number; limit: number }) {
    return this.feed.after(request.after, request.limit);
  }
}
