/** One figure of a benchmark with what it should be. */
export interface Criterion {
  what: string;
  figure: number | string;
  goal: string;
  met: boolean;
}

export function atMost(what: string, figure: number, most: number, unit: string): Criterion {
  return { what, figure, goal: `at most ${most} ${unit}`, met: figure <= most };
}

export function none(what: string, figure: number): Criterion {
  return { what, figure, goal: 'none', met: figure === 0 };
}
