import { commitTransitions, type CommitOutcome, type EncodedTransition } from '@drover/contracts';
import { ContractHandler } from '@drover/messaging';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { CommitService } from './commit.service.js';

@Controller()
export class CommitController {
  constructor(private readonly commits: CommitService) {}

  @ContractHandler(commitTransitions)
  async commit(@Payload() batch: EncodedTransition[]): Promise<{ outcomes: CommitOutcome[] }> {
    return { outcomes: await this.commits.commit(batch) };
  }
}
