import { IsDefined, IsOptional, IsString, Length, MaxLength } from 'class-validator';

/** Body of `POST /v1/pauses`. */
export class PauseBody {
  @IsDefined({ message: 'scope is required: cluster, type/<name>, handler/<name> or resource/<id>' })
  @IsString({ message: 'scope must be text' })
  @Length(1, 130, { message: 'scope must be cluster, type/<name>, handler/<name> or resource/<id>' })
  scope: string;

  @IsOptional()
  @IsString({ message: 'reason must be text' })
  @MaxLength(500, { message: 'reason must have at most 500 characters' })
  reason?: string | null;
}
