import { ROOT } from '../install.mjs';
import { run } from '../run.mjs';
import { runClient } from './client.mjs';
import { withCluster } from './cluster.mjs';
import { spread } from './comparison.mjs';

/** What `npm run bench` without arguments measures. */
const SERIES = [
  { inflight: 1 },
  { inflight: 64 },
  { inflight: 256 },
  { inflight: 64, http: true },
  { inflight: 256, http: true },
];

/** The load benchmarks, and what the others share with them. */
export class Bench {
  static async create({ options, say, print }) {
    const head = await run('git', ['-C', ROOT, 'describe', '--always', '--dirty'], { timeoutMillis: 5_000 });
    const { runName } = await import('../../../bench/dist/run/result.js');
    return new Bench({ options, say, print, commit: head.ok ? head.out.trim() : 'unknown', run: runName() });
  }

  constructor(parts) {
    Object.assign(this, parts);
    if (this.options.takeover) this.options.engines = '2';
  }

  /** A number option above 0. @param fallback when it was not given */
  number(name, fallback) {
    const value = Number(this.options[name] ?? fallback);
    if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} takes a number above 0`);
    return value;
  }

  /** All lines that were asked for, a table of them, and of a comparison the ratio. */
  async series() {
    const lines = [];
    for (const asked of this.plan()) {
      const line = await this.line(asked);
      lines.push(line);
      this.print(line);
    }
    const { table } = await import('../../../bench/dist/report/table.js');
    this.say(`\n${table(lines)}`);
    if (this.options.compare) this.print(this.comparison(lines));
  }

  plan() {
    const { options } = this;
    const one = { inflight: this.number('inflight', options.rate ? 1_000 : 256), http: options.http };
    if (options.compare)
      return Array.from({ length: this.number('rounds') }, () => [{ ...one, engine: 'limit' }, one]).flat();
    if (options.limit) return [{ ...one, engine: 'limit' }];
    const single = options.http || options.takeover || options.handlers !== '1';
    return single || options.inflight !== undefined || options.rate !== undefined ? [one] : SERIES;
  }

  /** Length of a window: the series has five of them in two and a half minutes. */
  get seconds() {
    return this.number('seconds', this.plan().length > 1 ? 12 : 20);
  }

  /**
   * One line, on a cluster made for it alone: nothing is left over from the line before.
   * @param asked {inflight, http, engine} and, of a filled database, {postgresDir, history, serviceEnv}; beforeStop(cluster) is called when the load has ended
   */
  async line({ engine = 'drover', inflight, http = false, postgresDir, history, serviceEnv = {}, beforeStop }) {
    const { options } = this;
    const setUp = {
      say: this.say,
      // Of a comparison of databases it is the filled one that --keep means.
      keep: options.keep && !options.scale,
      profile: options.profile,
      postgresSettings: options.explain ? explaining(this.number('explain')) : [],
      ...(postgresDir ? { postgresDir } : {}),
    };
    return withCluster(setUp, async (cluster) => {
      const resources = Number(options.resources ?? Math.max(1024, inflight * 4));
      const settings = {};
      if (engine === 'limit') await cluster.limitEngine(resources);
      else {
        Object.assign(settings, { stores: this.number('stores'), engines: this.number('engines') });
        await cluster.service('resource-store', { replicas: settings.stores, env: serviceEnv });
        await cluster.service('process-engine', { replicas: settings.engines });
        if (http) {
          settings.gateways = this.number('gateways');
          await cluster.service('gateway', { replicas: settings.gateways });
        }
      }
      const handlers = engine === 'limit' ? 1 : this.handlers();
      cluster.handler(handlers);
      if (options.profile || options.explain) settings.profiled = true;
      const line = await this.client(cluster, 'run/client.js', {
        engine,
        inflight,
        resources,
        handlers,
        settings,
        arrivals: this.arrivals(),
        seed: this.number('seed'),
        takeover: options.takeover,
        warmupSeconds: this.number('warmup'),
        seconds: this.seconds,
        ...(http && engine === 'drover' ? { httpUrl: cluster.httpUrl } : {}),
        ...(options.rate ? { rate: this.number('rate') } : {}),
        ...(history ? { history } : {}),
      });
      await beforeStop?.(cluster);
      return line;
    });
  }

  handlers() {
    const count = Number(this.options.handlers);
    if (!Number.isSafeInteger(count) || count < 0 || count > 100)
      throw new Error('--handlers takes a number up to 100');
    return count;
  }

  arrivals() {
    const { arrivals } = this.options;
    if (!['poisson', 'even'].includes(arrivals)) throw new Error('--arrivals is poisson or even');
    return arrivals;
  }

  /** Runs a program of bench/dist on a cluster. @returns what it prints, parsed */
  client(cluster, program, config) {
    return runClient(program, {
      run: this.run,
      commit: this.commit,
      natsUrl: cluster.natsUrl,
      databaseUrl: cluster.databaseUrl,
      metricsUrls: cluster.metricsUrls,
      pids: cluster.pids,
      ...config,
    });
  }

  /** Medians per engine, and what the comparison is for: our share of the limit in the same minutes on the same machine. */
  comparison(lines) {
    const median = (engine, of) => spread(lines.filter((line) => line.engine === engine).map(of)).median;
    const of = (engine) => ({
      processesPerSecond: median(engine, (line) => line.processesPerSecond),
      p50Millis: median(engine, (line) => line.p50Millis),
      p99Millis: median(engine, (line) => line.p99Millis),
      cpuMicrosPerProcess: median(engine, (line) => line.cpuMicrosPerProcess.total),
      walBytesPerProcess: median(engine, (line) => line.walBytesPerProcess),
    });
    const [limit, drover] = [of('limit'), of('drover')];
    return {
      kind: 'comparison',
      run: this.run,
      date: new Date().toISOString(),
      limit,
      drover,
      ratio: Number((drover.processesPerSecond / limit.processesPerSecond).toFixed(3)),
      /** steadier than the other one while something else uses the machine */
      cpuRatio: Number((drover.cpuMicrosPerProcess / limit.cpuMicrosPerProcess).toFixed(2)),
      rounds: this.number('rounds'),
      inflight: lines[0].inflight,
      commit: this.commit,
    };
  }
}

/** A module that logs the plans of slow statements, row counts and times included. */
function explaining(millis) {
  return [
    'session_preload_libraries=auto_explain',
    `auto_explain.log_min_duration=${millis}`,
    'auto_explain.log_analyze=on',
    'auto_explain.log_buffers=on',
    'log_min_messages=log',
  ];
}
