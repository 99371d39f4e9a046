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
 * The programs of a component with their children that live, as PostgreSQL has one for each connection. Empty where
 * there is no /proc.
 */
function family(roots: readonly number[]): Map<number, Stat> {
  const found = new Map<number, Stat>();
  for (const pid of roots) {
    const own = stat(pid);
    if (own !== null) found.set(pid, own);
  }
  if (found.size === 0) return found;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || found.has(Number(name))) continue;
    const child = stat(Number(name));
    if (child !== null && roots.includes(child.parent)) found.set(Number(name), child);
  }
  return found;
}

/** Processor time used so far by programs and what they started, microseconds: children that ended are in their parent's sum. */
export function processorMicros(roots: readonly number[]): number {
  let ticks = 0;
  for (const { own, endedChildren } of family(roots).values()) ticks += own + endedChildren;
  return (ticks / TICKS_PER_SECOND) * 1e6;
}

/**
 * Resident memory of a component, megabytes. What its programs map together (PostgreSQL's buffers, the program text) is
 * counted once, by whoever has most of it; for a single program this is its resident set.
 */
export function residentMegabytes(roots: readonly number[]): number {
  let own = 0;
  let shared = 0;
  for (const pid of family(roots).keys()) {
    try {
      const text = readFileSync(`/proc/${pid}/status`, 'latin1');
      const kilobytes = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
      own += kilobytes('RssAnon');
      shared = Math.max(shared, kilobytes('RssFile') + kilobytes('RssShmem'));
    } catch {
      // it ended meanwhile
    }
  }
  return Math.round(((own + shared) * 1024) / 1e6);
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

/** How much memory components hold, looked at every second from the start on. */
export class MemoryWatch {
  private readonly max: Record<string, number> = {};
  private readonly timer: NodeJS.Timeout;

  /** @param pids the programs of each component, by its name */
  constructor(private readonly pids: Readonly<Record<string, readonly number[]>>) {
    this.look();
    this.timer = setInterval(() => this.look(), 1_000);
  }

  /** Ends the watch. @returns by component, megabytes */
  stop(): Record<string, { end: number; max: number }> {
    clearInterval(this.timer);
    const end = this.look();
    return Object.fromEntries(Object.keys(end).map((name) => [name, { end: end[name]!, max: this.max[name]! }]));
  }

  private look(): Record<string, number> {
    const now: Record<string, number> = {};
    for (const [name, roots] of Object.entries(this.pids)) {
      now[name] = residentMegabytes(roots);
      this.max[name] = Math.max(this.max[name] ?? 0, now[name]);
    }
    return now;
  }
}
