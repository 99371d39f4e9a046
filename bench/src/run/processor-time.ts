import { readFileSync, readdirSync } from 'node:fs';

/** Clock ticks of /proc in a second: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

interface Stat {
  parent: number;
  /** user and system time of the program itself, ticks */
  own: number;
  /** the same of its children that have ended and were waited for, ticks */
  endedChildren: number;
}

function stat(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    return { parent: fields[1]!, own: fields[11]! + fields[12]!, endedChildren: fields[13]! + fields[14]! };
  } catch {
    return null;
  }
}

/**
 * Processor time used so far by a program and everything it started, microseconds; 0 where there is no /proc.
 * PostgreSQL has one program per connection: those alive are read one by one, those that ended are in the parent's sum.
 */
export function processorMicros(pid: number): number {
  const root = stat(pid);
  if (root === null) return 0;
  let ticks = root.own + root.endedChildren;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const child = stat(Number(name));
    if (child?.parent === pid) ticks += child.own + child.endedChildren;
  }
  return (ticks / TICKS_PER_SECOND) * 1e6;
}

/** Busy time of the whole machine so far, microseconds: tells how much of it was not ours. */
export function machineMicros(): number {
  try {
    const [user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'latin1')
      .slice(5, 200)
      .trim()
      .split(/\s+/)
      .map(Number);
    return ((user! + nice! + system! + irq! + softirq!) / TICKS_PER_SECOND) * 1e6;
  } catch {
    return 0;
  }
}
