/** The cache over more files than it holds, while some change: its hits, its memory, and every body. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { IdleConnections } from '../../bench/load/idle.js';
import type { WorkerStatus } from '../../src/ipc.js';
import { contentCost, nameCost } from '../../src/storage/cache/entries.js';
import { Gfserve, processFigures } from '../support/gfserve.js';
import { LruModel } from './lru_model.js';
import type { Options } from './options.js';
import { Plain } from './plain.js';
import { Random } from './random.js';
import { RawClient } from './raw_client.js';
import { type Findings, say, tell } from './report.js';
import { mib } from './workers.js';

const BUDGET_MIB = 96;
const FOLDERS = 500;
const WRITERS = 48;
const CLIENTS = 8;
const CHURN_PER_SECOND = 20;
/** How long after a change the former content may still be given. */
const STALE_MS = 1_000;
/** Of the hit ratio, in points of a hundred. */
const TOLERANCE = 3;
/** Of the memory, between the first third and the end. */
const GROWTH = 0.05;
const REPORT_MS = 30_000;
/** Requests after which it is asked whether the cache is full. */
const FILL_STEP = 1_000;
/** Connections that all wait for an answer, for so long, and what the worker may then have beside the cache. */
const BUSY = 1_000;
const BUSY_MS = 30_000;
const BUSY_MIB = 150;
/** Connections on which nothing happens, and what they may cost. */
const IDLE = 10_000;
const IDLE_MIB = 60;

/** Files of 1 to 16 KiB, most of them small; each says which it is. */
const sizeOf = (file: number): number =>
  1024 + ((file * 7919) % 1000 < 800 ? (file * 31) % 4096 : (file * 17) % 15_360);
const pathOf = (file: number): string => `/d${file % FOLDERS}/${file}`;

function contentOf(file: number, version: number): string {
  const line = `${file} ${version}\n`;
  return line.padEnd(sizeOf(file), line);
}

class Files {
  /** Of each file that has changed, for each of its versions but the last one: when it was surely replaced. */
  readonly #replaced = new Map<number, number[]>();

  constructor(
    private readonly root: string,
    readonly count: number,
  ) {}

  async fill(stop: AbortSignal): Promise<void> {
    for (let folder = 0; folder < FOLDERS; folder++) await mkdir(join(this.root, `d${folder}`));
    let next = 0;
    const start = performance.now();
    const writer = async (): Promise<void> => {
      while (next < this.count) {
        stop.throwIfAborted();
        const file = next++;
        await writeFile(join(this.root, pathOf(file)), contentOf(file, 0));
        if (file % 20_000 === 0) tell(`writing: ${Math.round((file / this.count) * 100)} %`);
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, writer));
    tell(`${this.count} files in ${((performance.now() - start) / 1000).toFixed(0)} s`);
  }

  async change(file: number): Promise<void> {
    const replaced = this.#replaced.get(file) ?? [];
    this.#replaced.set(file, replaced);
    const former = replaced.length;
    const path = join(this.root, pathOf(file));
    await writeFile(`${path}.new`, contentOf(file, former + 1));
    replaced[former] = Number.POSITIVE_INFINITY;
    await rename(`${path}.new`, path);
    replaced[former] = performance.now();
  }

  /** What is wrong with an answer to a request that was made at `sinceMs`; null: nothing. */
  problem(file: number, body: string, sinceMs: number): string | null {
    const [, name, version] = /^(\d+) (\d+)\n/.exec(body) ?? [];
    if (Number(name) !== file || body !== contentOf(file, Number(version))) return 'wrong bytes';
    const replaced = this.#replaced.get(file) ?? [];
    const now = replaced.length;
    if (Number(version) > now) return 'a version that there is not yet';
    if (Number(version) === now) return null;
    const oldMs = sinceMs - (replaced[Number(version)] ?? 0);
    return oldMs > STALE_MS
      ? `version ${version} instead of ${now}, replaced ${oldMs.toFixed(0)} ms before it was asked for`
      : null;
  }
}

class Run {
  readonly #model = new LruModel(BUDGET_MIB * 1024 * 1024);
  readonly #random: Random;
  requests = 0;
  predicted = 0;
  /** Kept connections that were closed between two requests. */
  reconnects = 0;
  #stopped = false;

  constructor(
    private readonly files: Files,
    private readonly findings: Findings,
    seed: number,
  ) {
    this.#random = new Random(seed);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** A few are asked for often, most hardly ever. */
  #draw(): number {
    return Math.min(this.files.count - 1, Math.floor(this.files.count ** this.#random.next()) - 1);
  }

  async ask(port: number): Promise<void> {
    const client = await RawClient.connect(port);
    while (!this.#stopped) {
      // Spread over the folders, and not the lowest numbers together.
      await this.#askOne(client, (this.#draw() * 7919) % this.files.count);
    }
    this.reconnects += client.reconnects;
    client.close();
  }

  async #askOne(client: RawClient, file: number): Promise<void> {
    this.requests += 1;
    const key = `0\0${pathOf(file)}`;
    const cost = contentCost(sizeOf(file)) + nameCost(key);
    if (this.#model.use(file, cost)) this.predicted += 1;
    const sinceMs = performance.now();
    const { status, body } = await client.get(pathOf(file));
    const problem =
      status === 200
        ? this.files.problem(file, body.toString('latin1'), sinceMs)
        : `status ${status}`;
    if (problem !== null) this.findings.violation(`${pathOf(file)}: ${problem}`);
  }

  /** Asks for each file once, until `isFull` says so. */
  async fill(port: number, isFull: () => Promise<boolean>): Promise<void> {
    let next = 0;
    let full = false;
    const ask = async (): Promise<void> => {
      const client = await RawClient.connect(port);
      while (next < this.files.count && !full) {
        const file = next++;
        await this.#askOne(client, file);
        if (next % FILL_STEP === 0) full = await isFull();
      }
      client.close();
    };
    await Promise.all(Array.from({ length: CLIENTS }, ask));
  }

  async churn(): Promise<void> {
    while (!this.#stopped) {
      const file = (this.#draw() * 7919) % this.files.count;
      await this.files.change(file);
      this.#model.end(file);
      await sleep(1000 / CHURN_PER_SECOND);
    }
  }
}

const countsOf = ({ volumes }: WorkerStatus): Readonly<Record<string, number>> =>
  volumes[0]?.cache ?? {};

/** See the options for how long and over how many files. */
export async function churn(
  findings: Findings,
  options: Options,
  stop: AbortSignal,
): Promise<void> {
  const plain = await Plain.build(findings, 1);
  try {
    const files = new Files(plain.mount, options.files);
    await files.fill(stop);
    const config = plain.config(`size = ${BUDGET_MIB}M\nvalid = 10m\nnegative = 10m`);
    const server = await Gfserve.start({ config });
    try {
      await observe(server, files, findings, options, stop);
    } finally {
      await server.stop();
    }
  } finally {
    await plain.takeDown();
  }
}

async function observe(
  server: Gfserve,
  files: Files,
  findings: Findings,
  { minutes, seed }: Options,
  stop: AbortSignal,
): Promise<void> {
  const run = new Run(files, findings, seed);
  const isFull = async (): Promise<boolean> => {
    const { cache } = await server.worker();
    return stop.aborted || (cache?.evictions ?? 0) > 0;
  };
  await run.fill(server.port, isFull);
  tell((await isFull()) ? 'the cache is full' : 'the cache holds all files');
  const work = [...Array.from({ length: CLIENTS }, () => run.ask(server.port)), run.churn()];
  const rss: number[] = [];
  const end = performance.now() + minutes * 60_000;
  let warm = { requests: 0, predicted: 0, served: 0 };
  const served = async (): Promise<number> => {
    const { hits = 0, revalidated = 0 } = countsOf(await server.worker());
    return hits + revalidated;
  };
  while (performance.now() < end && !stop.aborted) {
    await sleep(Math.min(REPORT_MS, Math.max(0, end - performance.now())));
    const worker = await server.worker();
    rss.push(processFigures(worker.pid).rss);
    tell(
      `${run.requests} requests, ${mib(rss.at(-1) ?? 0)} MiB, ${JSON.stringify(countsOf(worker))}`,
    );
    // The cache is full: from here on it is measured.
    if (warm.requests === 0 && performance.now() > end - minutes * 40_000) {
      warm = { requests: run.requests, predicted: run.predicted, served: await served() };
    }
  }
  const requests = run.requests - warm.requests;
  const hits = (await served()) - warm.served;
  const predicted = run.predicted - warm.predicted;
  if (!stop.aborted) await busy(server, run, findings);
  const was = (100 * hits) / requests;
  const expected = (100 * predicted) / requests;
  run.stop();
  await Promise.all(work);
  if (!stop.aborted) await idle(server, findings);
  say(`hits: ${was.toFixed(1)} %, an LRU of that size ${expected.toFixed(1)} %`);
  if (Math.abs(was - expected) > TOLERANCE) {
    findings.violation(`${was.toFixed(1)} % of hits instead of ${expected.toFixed(1)} %`);
  }
  const third = rss.slice(Math.floor(rss.length / 3));
  const [first = 0, last = 0] = [third[0], third.at(-1)];
  say(`memory: ${mib(first)} MiB after the first third, ${mib(last)} MiB at the end`);
  if (last > first * (1 + GROWTH)) findings.violation('the memory grows');
}

const rssMiB = async (server: Gfserve): Promise<number> =>
  processFigures((await server.worker()).pid).rss / (1 << 20);

/** The memory while the cache is full and many ask at once. */
async function busy(server: Gfserve, run: Run, findings: Findings): Promise<void> {
  const clients = Array.from({ length: BUSY }, () => run.ask(server.port));
  let most = 0;
  const end = performance.now() + BUSY_MS;
  while (performance.now() < end) {
    await sleep(1_000);
    most = Math.max(most, await rssMiB(server));
  }
  run.stop();
  await Promise.all(clients);
  say(
    `${BUSY} busy connections: at most ${most.toFixed(0)} MiB, ${BUDGET_MIB} of them the cache's`,
  );
  say(`${run.reconnects} kept connections were closed after 10 s without a request`);
  if (most > BUDGET_MIB + BUSY_MIB) findings.violation(`${most.toFixed(0)} MiB while all are busy`);
}

/** What connections cost that only stay open. */
async function idle(server: Gfserve, findings: Findings): Promise<void> {
  const before = await rssMiB(server);
  const held = await IdleConnections.open(server.port, IDLE, '/dev/null');
  const after = await rssMiB(server);
  await held.close();
  say(`${IDLE} idle connections: ${(after - before).toFixed(1)} MiB`);
  if (after - before > IDLE_MIB) findings.violation('idle connections cost too much');
}
