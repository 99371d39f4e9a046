import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { DroverError } from '@drover/kernel';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

/** Pictures asked for at once; each costs tens of milliseconds of one core. */
const MAX_WAITING = 64;
/** A machine of 60 states draws in 50 ms; the first picture also loads the engine (1 s). After this the thread is given up. */
const RENDER_MILLIS = 15_000;
/** Pictures kept, newest first. A big machine is about 100 KB. */
const MAX_CACHED = 200;
/** Larger texts are not drawn. */
const MAX_DOT = 512 * 1024;

/** The thread's program. It is text because a thread needs a file of its own, and tests run the sources, not what the build makes. */
const PROGRAM = `
  const { parentPort, workerData } = require('node:worker_threads');
  const graphviz = import(workerData.module).then(({ Graphviz }) => Graphviz.load());
  parentPort.on('message', async ({ id, dot }) => {
    try {
      parentPort.postMessage({ id, svg: (await graphviz).dot(dot) });
    } catch (error) {
      parentPort.postMessage({ id, error: String(error && error.message) });
    }
  });
`;

interface Drawing {
  resolve: (svg: string) => void;
  reject: (error: Error) => void;
  timer: NodeJS.Timeout;
}

/** Draws DOT as SVG in a thread of its own: drawing is synchronous and would stop all requests. Started at the first picture. */
@Injectable()
export class Graphviz implements OnApplicationShutdown {
  private worker: Worker | null = null;
  private readonly drawings = new Map<number, Drawing>();
  private readonly cache = new Map<string, Promise<string>>();
  private lastId = 0;

  async onApplicationShutdown(): Promise<void> {
    await this.worker?.terminate();
  }

  /** @throws DroverError Overloaded when too many wait, DataTooLarge for a text that is not drawn, Internal for one that is no DOT */
  svg(dot: string): Promise<string> {
    const cached = this.cache.get(dot);
    if (cached !== undefined) {
      this.keep(dot, cached);
      return cached;
    }
    if (dot.length > MAX_DOT)
      throw new DroverError('DataTooLarge', 'This machine is too large to be drawn; ask for its DOT text');
    if (this.drawings.size >= MAX_WAITING)
      throw new DroverError('Overloaded', `${MAX_WAITING} pictures are being drawn already`);
    const drawn = this.draw(dot);
    this.keep(dot, drawn);
    drawn.catch(() => this.cache.delete(dot));
    return drawn;
  }

  /** Most recently used last; the first one goes. */
  private keep(dot: string, svg: Promise<string>): void {
    this.cache.delete(dot);
    this.cache.set(dot, svg);
    if (this.cache.size > MAX_CACHED) this.cache.delete(this.cache.keys().next().value!);
  }

  private draw(dot: string): Promise<string> {
    const worker = (this.worker ??= this.start());
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.giveUp(worker, new DroverError('Overloaded', 'The picture takes too long to draw')),
        RENDER_MILLIS,
      );
      this.drawings.set(id, { resolve, reject, timer });
      worker.postMessage({ id, dot });
    });
  }

  private start(): Worker {
    const module = pathToFileURL(createRequire(import.meta.url).resolve('@hpcc-js/wasm-graphviz')).href;
    const worker = new Worker(PROGRAM, {
      eval: true,
      workerData: { module },
      resourceLimits: { maxOldGenerationSizeMb: 256 },
    });
    worker.unref();
    worker.on('message', (answer: { id: number; svg?: string; error?: string }) => this.finish(answer));
    worker.on('error', (error) => this.giveUp(worker, error));
    worker.on('exit', () => this.giveUp(worker, new Error('the drawing thread ended')));
    return worker;
  }

  private finish({ id, svg, error }: { id: number; svg?: string; error?: string }): void {
    const drawing = this.drawings.get(id);
    if (drawing === undefined) return;
    this.drawings.delete(id);
    clearTimeout(drawing.timer);
    if (svg === undefined) drawing.reject(new Error(`Graphviz: ${error ?? 'no picture'}`));
    else drawing.resolve(svg);
  }

  /** The next picture starts another thread. */
  private giveUp(worker: Worker, error: Error): void {
    if (this.worker !== worker) return;
    this.worker = null;
    void worker.terminate();
    for (const drawing of this.drawings.values()) {
      clearTimeout(drawing.timer);
      drawing.reject(error);
    }
    this.drawings.clear();
  }
}
