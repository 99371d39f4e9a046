import { Injectable, type PipeTransform } from '@nestjs/common';
import type { OperatorAction } from '@drover/contracts';
import { DroverError } from '@drover/kernel';
import { IsOptional, IsString, MaxLength } from 'class-validator';

export const OPERATOR_ACTIONS: readonly OperatorAction[] = ['replay', 'retry', 'skip', 'cancel', 'force'];

/** Body of an operator's action: only `force` needs one. */
export class OperateBody {
  @IsOptional()
  @IsString({ message: 'state must be the name of a state' })
  @MaxLength(63, { message: 'state must be the name of a state' })
  state?: string;
}

/** `?action=` of a process instance, any letter case. @throws DroverError InvalidAction */
@Injectable()
export class OperatorActionPipe implements PipeTransform<unknown, OperatorAction> {
  transform(action: unknown): OperatorAction {
    const found = OPERATOR_ACTIONS.find((known) => known === String(action ?? '').toLowerCase());
    if (found === undefined)
      throw new DroverError('InvalidAction', `A process instance has the actions ${OPERATOR_ACTIONS.join(', ')}`, {
        fieldName: 'action',
      });
    return found;
  }
}
