import { Injectable, type PipeTransform } from '@nestjs/common';
import { IsNotEmpty, IsString, MaxLength } from 'class-validator';
import { valid } from '../http/validation.js';

/** `?action=<verb>` */
export class ActionQuery {
  @MaxLength(200, { message: 'The action is too long' })
  @IsString({ message: 'Name one action: ?action=<verb>' })
  @IsNotEmpty({ message: 'Name an action: ?action=<verb>' })
  action: string;
}

/** @throws DroverError InvalidAction */
@Injectable()
export class ActionQueryPipe implements PipeTransform<unknown, Promise<ActionQuery>> {
  private readonly pipe = valid(ActionQuery, {
    isNotEmpty: 'InvalidAction',
    isString: 'InvalidAction',
    maxLength: 'InvalidAction',
  });

  transform(query: unknown): Promise<ActionQuery> {
    return this.pipe.transform({ ...(query as object) }, { type: 'query' }) as Promise<ActionQuery>;
  }
}
