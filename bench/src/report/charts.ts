import { type ResultLine, round } from '../run/result.js';
import { median } from '../run/ratio.js';
import { nameOf, short } from './table.js';

/** What the pictures are drawn with: one for pages on white, one for dark ones. */
export interface Theme {
  background: string;
  text: string;
  muted: string;
  grid: string;
  series: readonly string[];
}

export const THEMES: Readonly<Record<'light' | 'dark', Theme>> = {
  light: {
    background: '#ffffff',
    text: '#1f2328',
    muted: '#59636e',
    grid: '#d1d9e0',
    series: ['#0969da', '#bc4c00', '#1a7f37', '#8250df', '#bf3989', '#9a6700', '#57606a', '#cf222e'],
  },
  dark: {
    background: '#0d1117',
    text: '#f0f6fc',
    muted: '#9198a1',
    grid: '#3d444d',
    series: ['#58a6ff', '#f0883e', '#3fb950', '#bc8cff', '#f778ba', '#d29922', '#8b949e', '#ff7b72'],
  },
};

/** Pixels. */
export const SIZE = { width: 1_000, height: 400 };

/** A picture as the chart library takes it; null of lines that do not fill it. */
export type Option = Record<string, unknown>;

/** Points of one line of a panel, or bars of one colour. */
interface Series {
  name: string;
  points: { x: string; y: number }[];
  dashed?: boolean;
}

interface Panel {
  title: string;
  /** under the horizontal axis */
  axis: string;
  /** all places of the horizontal axis, in order */
  places: string[];
  series: Series[];
  log?: boolean;
}

/** Throughput, latency and processor time against the number of processes in flight, on an empty database. */
export function concurrency(all: readonly ResultLine[], theme: Theme): Option | null {
  // Runs that measured something else have their own pictures.
  const others = new Set(
    all.filter((line) => line.history !== undefined || !OURS.includes(line.engine)).map(({ run }) => run),
  );
  const lines = newestRun(all, (line) => isClosed(line) && !others.has(line.run), 2);
  if (lines.length === 0) return null;
  const places = ascending(lines.map((line) => line.inflight)).map((inflight) => ({
    x: String(inflight),
    has: (line: ResultLine) => line.inflight === inflight,
  }));
  return picture('Against concurrency', lines, theme, 'line', against(lines, 'in flight', places, labelOf));
}

/** The same against what the database holds, for each load. */
export function history(all: readonly ResultLine[], theme: Theme): Option | null {
  const lines = newestRun(
    all,
    (line) => isClosed(line) && line.engine === 'drover',
    1,
    (run) => run.some((line) => line.history !== undefined),
  );
  if (lines.length === 0) return null;
  const held = (line: ResultLine): number => line.history?.processes ?? 0;
  const places = ascending(lines.map(held)).map((count) => ({
    x: count === 0 ? 'empty' : short(count),
    has: (line: ResultLine) => held(line) === count,
  }));
  const load = (line: ResultLine): string => `${line.inflight} in flight, ${line.start.toUpperCase()}`;
  const axis = 'finished processes in the database';
  return picture('Against history', lines, theme, 'line', against(lines, axis, places, load));
}

/** Drover beside other engines, best first: at the highest concurrency all were measured at, and at one in flight. */
export function peers(all: readonly ResultLine[], theme: Theme): Option | null {
  const lines = newestRun(
    all,
    (line) => isClosed(line) && line.history === undefined,
    1,
    (run) => run.some((line) => !OURS.includes(line.engine)),
  );
  if (lines.length === 0) return null;
  const engines = groups(lines, labelOf);
  const inflights = ascending(lines.map((line) => line.inflight));
  const common = inflights.filter((n) => engines.every(([, group]) => group.some((line) => line.inflight === n)));
  const high = common.at(-1) ?? inflights.at(-1)!;
  const low = common[0] ?? inflights[0]!;
  const bars = (title: string, inflight: number, of: Of, leastFirst: boolean): Panel => {
    const points = engines
      .flatMap(([x, group]) =>
        point(
          x,
          group.filter((line) => line.inflight === inflight),
          of,
        ),
      )
      .sort((a, b) => (leastFirst ? a.y - b.y : b.y - a.y));
    return { title, axis: '', places: points.map(({ x }) => x), series: [{ name: title, points }] };
  };
  return picture('Beside other engines', lines, theme, 'bar', [
    bars(`processes per second, ${high} in flight`, high, (line) => line.processesPerSecond, false),
    bars(`median latency, ms, ${low} in flight`, low, (line) => line.p50Millis, true),
    bars(`processor time per process, µs, ${high} in flight`, high, cpu, true),
  ]);
}

type Of = (line: ResultLine) => number;

/** Throughput, latency and processor time against something: a line of the picture for each group of lines. */
function against(
  lines: readonly ResultLine[],
  axis: string,
  places: readonly { x: string; has: (line: ResultLine) => boolean }[],
  by: (line: ResultLine) => string,
): Panel[] {
  const series = (of: Of, suffix = '', dashed = false): Series[] =>
    groups(lines, by).map(([label, group]) => ({
      name: label + suffix,
      points: places.flatMap(({ x, has }) => point(x, group.filter(has), of)),
      dashed,
    }));
  const along = { axis, places: places.map(({ x }) => x) };
  return [
    { ...along, title: 'processes per second', series: series((line) => line.processesPerSecond) },
    {
      ...along,
      title: 'latency, ms: p50, dashed p99',
      log: true,
      series: [...series((line) => line.p50Millis), ...series((line) => line.p99Millis, ' p99', true)],
    },
    { ...along, title: 'processor time per process, µs', series: series(cpu) },
  ];
}

const OURS = ['drover', 'limit'];
const cpu: Of = (line) => line.cpuMicrosPerProcess['total'] ?? 0;
const isClosed = (line: ResultLine): boolean => line.rate === undefined && line.settings['profiled'] !== true;

/** Drover may be started in two ways; the others have one. */
function labelOf(line: ResultLine): string {
  if (line.engine === 'drover') return `Drover, ${line.start.toUpperCase()}`;
  return line.engine === 'limit' ? 'limit engine' : nameOf(line);
}

/** Lines of the newest run that has what is asked for: only lines of one run are ever in one picture. */
function newestRun(
  all: readonly ResultLine[],
  wanted: (line: ResultLine) => boolean,
  leastInflights: number,
  enough: (run: ResultLine[]) => boolean = () => true,
): ResultLine[] {
  const runs = groups(all.filter(wanted), (line) => line.run).filter(
    ([, run]) => new Set(run.map((line) => line.inflight)).size >= leastInflights && enough(run),
  );
  return runs.sort(([, a], [, b]) => a.at(-1)!.date.localeCompare(b.at(-1)!.date)).at(-1)?.[1] ?? [];
}

function ascending(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}

function groups<T>(lines: readonly T[], by: (line: T) => string): [string, T[]][] {
  const found = new Map<string, T[]>();
  for (const line of lines) found.set(by(line), [...(found.get(by(line)) ?? []), line]);
  return [...found];
}

/** The median of the repeats of one place; none, no point. */
function point(x: string, repeats: readonly ResultLine[], of: Of): Series['points'] {
  return repeats.length === 0 ? [] : [{ x, y: round(median(repeats.map(of)), 2) }];
}

/** Three panels beside each other under one title and legend, with what it was measured on at the foot. */
function picture(
  title: string,
  lines: readonly ResultLine[],
  theme: Theme,
  kind: 'line' | 'bar',
  panels: Panel[],
): Option {
  const names = [
    ...new Set(panels.flatMap((panel) => panel.series.filter(({ dashed }) => !dashed).map(({ name }) => name))),
  ];
  // A dashed line has the colour of the solid one that its name begins with.
  const colour = (name: string): string =>
    theme.series[names.findIndex((known) => name.startsWith(known)) % theme.series.length]!;
  const gap = kind === 'bar' ? 145 : 60;
  // Beside the longest bar is its number.
  const width = (SIZE.width - 30) / panels.length - gap - (kind === 'bar' ? 45 : 0);
  const left = (i: number): number => gap + 5 + (i * (SIZE.width - 30)) / panels.length;
  const each = <T>(of: (panel: Panel, i: number) => T): T[] => panels.map(of);
  const text = { color: theme.muted, fontSize: 11 };
  const category = (panel: Panel, gridIndex: number) => ({
    type: 'category',
    gridIndex,
    data: panel.places,
    name: panel.axis,
    nameLocation: 'middle',
    nameGap: 26,
    nameTextStyle: text,
    inverse: kind === 'bar',
    axisLabel: text,
    axisTick: { show: false },
    axisLine: { lineStyle: { color: theme.grid } },
  });
  const value = (panel: Panel, gridIndex: number) => ({
    type: panel.log ? 'log' : 'value',
    gridIndex,
    min: panel.log ? undefined : 0,
    splitNumber: 4,
    axisLabel: { ...text, hideOverlap: true },
    splitLine: { lineStyle: { color: theme.grid } },
  });
  return {
    animation: false,
    backgroundColor: theme.background,
    // Unquoted names only: the library writes them into an attribute as they are.
    textStyle: { fontFamily: 'system-ui, Helvetica, Arial, sans-serif' },
    title: [
      { text: title, left: 12, top: 8, textStyle: { color: theme.text, fontSize: 17 } },
      ...each((panel, i) => ({
        text: panel.title,
        left: kind === 'bar' ? left(i) - gap + 20 : left(i) - 30,
        top: 62,
        textStyle: { color: theme.text, fontSize: 13, fontWeight: 'normal' },
      })),
      { text: foot(lines), left: 12, bottom: 6, textStyle: { ...text, fontWeight: 'normal' } },
    ],
    ...(kind === 'line'
      ? { legend: { data: names, top: 12, right: 12, textStyle: { color: theme.text }, itemWidth: 22, itemGap: 18 } }
      : {}),
    grid: each((_, i) => ({ left: left(i), top: 92, width, height: SIZE.height - 92 - 80 })),
    xAxis: each<object>(kind === 'line' ? category : value),
    yAxis: each<object>(kind === 'line' ? value : category),
    series: panels.flatMap((panel, i) =>
      panel.series.map(({ name, points, dashed }) => ({
        name,
        type: kind,
        xAxisIndex: i,
        yAxisIndex: i,
        ...(kind === 'line'
          ? {
              data: points.map(({ x, y }) => [x, y]),
              symbol: 'circle',
              symbolSize: 6,
              itemStyle: { color: colour(name) },
              lineStyle: { color: colour(name), width: 2, type: dashed ? 'dashed' : 'solid' },
            }
          : {
              data: points.map(({ x, y }) => ({
                value: y,
                label: { formatter: y.toLocaleString('en-US') },
                itemStyle: { color: x.startsWith('Drover') ? theme.series[0] : theme.muted },
              })),
              barMaxWidth: 18,
              label: { show: true, position: 'right', color: theme.text, fontSize: 11 },
            }),
      })),
    ),
  };
}

/** When, on what, with which versions: a picture is passed on without its page. */
export function foot(lines: readonly ResultLine[]): string {
  const last = lines.at(-1)!;
  const versions = new Map(lines.flatMap((line) => Object.entries(line.versions)));
  const { cpus, cpu: model, memoryGigabytes } = last.machine;
  const first = [
    last.date.slice(0, 10),
    `${cpus} cores of ${model}, ${memoryGigabytes} GB`,
    `commit ${last.commit}`,
    lines.some((line) => line.otherCores > 0.15) ? 'not a quiet machine' : '',
  ];
  return `${first.filter(Boolean).join(' · ')}\n${[...versions].map(([name, version]) => `${name} ${version}`).join(' · ')}`;
}
