import { IsDefined, IsInt, IsOptional, IsString, Length, Max, Min } from 'class-validator';

const MAXIMUM = 'maxConcurrent must be a whole number from 1 to 100000, or null';
const WEIGHT = 'weight must be a whole number from 1 to 1000';

/** Body of `POST /v1/limits`. */
export class LimitBody {
  @IsDefined({ message: 'scope is required: account/<id>, type/<name> or process/<name>' })
  @IsString({ message: 'scope must be text' })
  @Length(1, 200, { message: 'scope must be account/<id>, type/<name> or process/<name>' })
  scope: string;

  @IsOptional()
  @IsInt({ message: MAXIMUM })
  @Min(1, { message: MAXIMUM })
  @Max(100_000, { message: MAXIMUM })
  maxConcurrent?: number | null;

  @IsOptional()
  @IsInt({ message: WEIGHT })
  @Min(1, { message: WEIGHT })
  @Max(1_000, { message: WEIGHT })
  weight?: number | null;
}
