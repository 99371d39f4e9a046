import { describe, expect, it } from 'vitest';
import { concurrency, foot, history, peers, THEMES } from './charts.js';
import { readLines } from './lines.js';
import { line } from './testing.js';

interface Drawn {
  series: { name: string; data: unknown[]; xAxisIndex: number; lineStyle: { type: string; color: string } }[];
  xAxis: { data?: string[] }[];
  yAxis: { data?: string[] }[];
}
const drawn = (option: unknown) => option as Drawn;
const theme = THEMES.light;

const series = [1, 64, 256].flatMap((inflight) => [
  line({ inflight, processesPerSecond: inflight * 10 }),
  line({ inflight, start: 'http', processesPerSecond: inflight * 5 }),
]);

describe('against concurrency', () => {
  it('draws one line for each way of starting, at the concurrencies that were measured', () => {
    const { series: lines, xAxis } = drawn(concurrency(series, theme));
    expect(xAxis[0]!.data).toEqual(['1', '64', '256']);
    const throughput = lines.filter(({ xAxisIndex }) => xAxisIndex === 0);
    expect(throughput.map(({ name, data }) => [name, data])).toEqual([
      [
        'Drover, NATS',
        [
          ['1', 10],
          ['64', 640],
          ['256', 2_560],
        ],
      ],
      [
        'Drover, HTTP',
        [
          ['1', 5],
          ['64', 320],
          ['256', 1_280],
        ],
      ],
    ]);
  });

  it('draws p99 dashed in the colour of its p50', () => {
    const lines = drawn(concurrency(series, theme)).series.filter(({ xAxisIndex }) => xAxisIndex === 1);
    const [p50, p99] = [
      lines.find(({ name }) => name === 'Drover, HTTP')!,
      lines.find(({ name }) => name === 'Drover, HTTP p99')!,
    ];
    expect(p99.lineStyle).toMatchObject({ type: 'dashed', color: p50.lineStyle.color });
  });

  it('takes the median of repeats, and only the newest run that has several concurrencies', () => {
    const repeated = [100, 900, 300].map((processesPerSecond) =>
      line({ run: 'two', inflight: 1, processesPerSecond, date: '2026-11-23' }),
    );
    const newer = [...repeated, line({ run: 'two', inflight: 64, date: '2026-11-23' })];
    const single = line({ run: 'three', inflight: 256, date: '2026-11-24' });
    const { series: lines } = drawn(concurrency([...series, ...newer, single], theme));
    expect(lines[0]!.data[0]).toEqual(['1', 300]);
  });

  it('leaves out open loops, profiled runs and filled databases; nothing is left: no picture', () => {
    const filled = { resources: 1, processes: 1 };
    const others = [{ rate: 5 }, { settings: { profiled: true } }, { history: filled }].flatMap((over) =>
      [1, 64].map((inflight) => line({ inflight, ...over })),
    );
    expect(concurrency(others, theme)).toBeNull();
    expect(peers(series, theme)).toBeNull();
    expect(history(series, theme)).toBeNull();
  });
});

it('against history: a line for each load, from the empty database on', () => {
  const filled = { resources: 1_000_000, processes: 10_000_000 };
  const lines = [line({ processesPerSecond: 100 }), line({ history: filled, processesPerSecond: 95 })];
  const option = drawn(history(lines, theme));
  expect(option.xAxis[0]!.data).toEqual(['empty', '10M']);
  expect(option.series[0]).toMatchObject({
    name: '64 in flight, NATS',
    data: [
      ['empty', 100],
      ['10M', 95],
    ],
  });
});

it('peers: bars from the best on, at the highest concurrency that all were measured at', () => {
  const lines = [
    line({ inflight: 256, processesPerSecond: 5_000 }),
    line({ processesPerSecond: 3_000 }),
    line({ engine: 'restate', variant: '1 partition', processesPerSecond: 4_000 }),
    line({ engine: 'dbos', processesPerSecond: 400 }),
  ];
  const { yAxis } = drawn(peers(lines, theme));
  expect(yAxis[0]!.data).toEqual(['restate (1 partition)', 'Drover, NATS', 'dbos']);
});

it('the foot says when, on what, with which versions, and whether the machine was quiet', () => {
  const text = foot([line({ otherCores: 0.5 }), line({ engine: 'restate', versions: { restate: '1.7' } })]);
  for (const part of [
    '2026-11-22',
    '2 cores of Some Processor, 24 GB',
    'abc1234',
    'not a quiet machine',
    'postgres 18.4',
    'restate 1.7',
  ])
    expect(text).toContain(part);
});

it('lines of other kinds and formats are not read', () => {
  const text = [line(), { kind: 'idle' }, { ...line(), format: 0 }].map((one) => JSON.stringify(one)).join('\n');
  expect(readLines(`${text}\n\n`)).toHaveLength(1);
});
