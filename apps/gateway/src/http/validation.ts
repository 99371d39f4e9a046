import { type Type, ValidationPipe } from '@nestjs/common';
import { DroverError, type ErrorCode } from '@drover/kernel';
import type { ValidationError } from 'class-validator';

/** Constraint of class-validator → our code; the rest is a format. */
const CODES: Record<string, ErrorCode> = {
  min: 'MinLimitExceeded',
  max: 'MaxLimitExceeded',
  minLength: 'MinLengthExceeded',
  maxLength: 'MaxLengthExceeded',
  isIn: 'InvalidOption',
  isDefined: 'MissingRequired',
  isNotEmpty: 'MissingRequired',
  whitelistValidation: 'InvalidFilter',
};

/** A pipe that turns a query or a body into `dto` or refuses it; unknown keys are refused, never dropped. */
export function valid(dto: Type, overrides: Record<string, ErrorCode> = {}): ValidationPipe {
  return new ValidationPipe({
    expectedType: dto,
    validateCustomDecorators: true,
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    exceptionFactory: (errors) => asDroverError(errors, overrides),
  });
}

export function asDroverError(errors: ValidationError[], overrides: Record<string, ErrorCode> = {}): DroverError {
  const error = errors[0]!;
  const [constraint, message] = Object.entries(error.constraints ?? {}).at(-1) ?? [
    '',
    `${error.property} is not valid`,
  ];
  const code = overrides[constraint] ?? CODES[constraint] ?? 'InvalidFormat';
  const text = constraint === 'whitelistValidation' ? `Unknown parameter "${error.property}"` : message;
  return new DroverError(code, text, { fieldName: error.property });
}
