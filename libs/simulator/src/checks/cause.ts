import type { Input } from '@drover/process-model';
import type { Address } from '../engine/link.js';

/** Why an engine committed something. `from`: the reply subject that an answer came on. */
export type Cause = { kind: 'command' } | { kind: 'input'; processId: number; input: Input; from: Address | null };

/** What an operator asked for, or null: it was nobody's act. */
export function operatedBy(cause: Cause): Extract<Input, { kind: 'operate' }>['action'] | null {
  return cause.kind === 'input' && cause.input.kind === 'operate' ? cause.input.action : null;
}
