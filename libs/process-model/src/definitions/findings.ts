import type { Acceptance } from './document.js';
import { processName } from './names.js';

/** One thing the model checker has to say. `finding` is stable and may be named in `accept`; the message is for people. */
export interface Finding {
  finding: FindingCode;
  state?: string;
  /** full name */
  process?: string;
  message: string;
  /** the type, where a finding is about several */
  type?: string;
  /** why the definition is loaded all the same */
  accepted?: string;
}

export interface CheckResult {
  /** refuse the document */
  errors: Finding[];
  /** load and are listed; accepted errors too */
  warnings: Finding[];
}

type Severity = 'structural' | 'error' | 'warning';

/**
 * What can be found. `structural`: an error that no `accept` overrides, because the engine could not run the process at all.
 */
export const FINDINGS = {
  'unknown-state-field': 'structural',
  'missing-transitioning': 'structural',
  'no-way-out': 'structural',
  'dangling-delegate': 'structural',
  'circular-delegate': 'structural',
  'unknown-on-error': 'structural',
  'unknown-on-cancel': 'structural',
  'ambiguous-map': 'error',
  'delegate-impossible': 'error',
  'on-error-impossible': 'error',
  'never-starts': 'error',
  'dead-end': 'error',
  'done-is-transitioning': 'error',
  'unreachable-start': 'warning',
  'unreachable-done': 'warning',
  'no-path-to-removed': 'warning',
  'unknown-final': 'warning',
  'unused-accept': 'warning',
  'duplicate-name': 'structural',
  'name-taken': 'structural',
  'system-definition': 'structural',
  'unknown-reference': 'structural',
  'invalid-document': 'structural',
  'unknown-relationship': 'structural',
  'duplicate-related': 'structural',
  'relationship-impossible': 'structural',
  'unknown-related-type': 'warning',
  'unknown-related-process': 'structural',
  'related-never-starts': 'structural',
  'circular-related': 'structural',
} as const satisfies Record<string, Severity>;

export type FindingCode = keyof typeof FINDINGS;

/**
 * Sorts findings into errors and warnings. An acceptance turns an error it names into a warning that carries the why; one that
 * matches nothing is a warning itself, so that it goes when the machine is mended.
 */
export function settle(typeName: string, findings: Finding[], accept: readonly Acceptance[]): CheckResult {
  const result: CheckResult = { errors: [], warnings: [] };
  const used = new Set<Acceptance>();
  for (const finding of findings) {
    const acceptance = accept.find((one) => covers(typeName, one, finding));
    if (acceptance !== undefined) used.add(acceptance);
    const severity: Severity = FINDINGS[finding.finding];
    const accepted =
      acceptance !== undefined && severity !== 'structural' ? { ...finding, accepted: acceptance.why } : finding;
    const fatal = severity !== 'warning' && accepted.accepted === undefined;
    (fatal ? result.errors : result.warnings).push(accepted);
  }
  for (const one of accept) if (!used.has(one)) result.warnings.push(unusedAccept(one));
  return result;
}

function covers(typeName: string, accept: Acceptance, finding: Finding): boolean {
  const process =
    accept.process?.includes('.') === false ? processName(typeName, accept.process) : accept.process?.toLowerCase();
  return (
    accept.finding === finding.finding &&
    (accept.state === undefined || accept.state === finding.state) &&
    (process === undefined || process === finding.process)
  );
}

function unusedAccept(accept: Acceptance): Finding {
  const where = accept.state === undefined ? '' : ` in state ${accept.state}`;
  return {
    finding: 'unused-accept',
    ...(accept.state === undefined ? {} : { state: accept.state }),
    message: `accept names the finding "${accept.finding}"${where}, which does not occur; remove the entry`,
  };
}
