/** How soon changes by another client are seen, many times over, while others ask for files that change too. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { get } from '../support/client.js';
import { CHANGES, type Change, Freshness } from '../support/freshness.js';
import { Gfserve } from '../support/gfserve.js';
import { Plain } from './plain.js';
import { type Findings, say, tell } from './report.js';

/** What the figures are held against, in milliseconds. */
interface Bounds {
  readonly median: number;
  readonly p99: number;
}

const TOLD: Bounds = { median: 50, p99: 250 };
/** `valid` is 1 s: a change may be seen up to so long after it. */
const SILENT: Bounds = { median: 1_200, p99: 1_200 };
/** Files that are changed all the time while they are asked for, and how often. */
const BUSY_FILES = 20;
const BUSY_PAUSE_MS = 20;

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Replaces files by rename, and asks for them: never may an answer be older than `staleMs` allows. */
class Busy {
  readonly #current = new Map<number, { version: number; since: number }>();
  readonly #former = new Map<number, { version: number; until: number }[]>();
  #stopped = false;
  #running: Promise<unknown> = Promise.resolve();
  answers = 0;
  oldestMs = 0;

  constructor(
    private readonly port: number,
    private readonly root: string,
    private readonly staleMs: number,
    private readonly findings: Findings,
  ) {}

  async start(): Promise<void> {
    await mkdir(this.root);
    for (let file = 0; file < BUSY_FILES; file++) await this.#write(file);
    this.#running = Promise.all([this.#writing(), this.#asking(), this.#asking()]);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #write(file: number): Promise<void> {
    const version = (this.#current.get(file)?.version ?? 0) + 1;
    const path = join(this.root, String(file));
    await writeFile(`${path}.new`, `${version}`);
    // From here on both may be seen.
    const before = this.#current.get(file);
    this.#current.set(file, { version, since: performance.now() });
    await rename(`${path}.new`, path);
    if (!before) return;
    const former = this.#former.get(file) ?? [];
    former.push({ version: before.version, until: performance.now() });
    if (former.length > 200) former.shift();
    this.#former.set(file, former);
  }

  async #writing(): Promise<void> {
    for (let turn = 0; !this.#stopped; turn++) {
      await this.#write(turn % BUSY_FILES);
      await sleep(BUSY_PAUSE_MS);
    }
  }

  async #asking(): Promise<void> {
    for (let turn = 0; !this.#stopped; turn++) {
      const file = turn % BUSY_FILES;
      const start = performance.now();
      const answer = await get(this.port, `/busy/${file}`).catch(() => null);
      if (answer === null || answer.status !== 200) {
        this.findings.violation(`/busy/${file}: ${answer?.status ?? 'no answer'}`);
        continue;
      }
      this.answers += 1;
      this.#judge(file, Number(answer.body.toString()), start);
    }
  }

  #judge(file: number, version: number, start: number): void {
    if (version >= (this.#current.get(file)?.version ?? 0)) return;
    const old = this.#former.get(file)?.find((one) => one.version === version);
    // Not yet noted as former: its successor's rename is still under way.
    if (!old) return;
    const age = start - old.until;
    this.oldestMs = Math.max(this.oldestMs, age);
    if (age > this.staleMs) {
      this.findings.violation(
        `/busy/${file}: replaced ${age.toFixed(0)} ms before it was asked for`,
      );
    }
  }
}

async function measureAll(
  plain: Plain,
  cache: string,
  more: string,
  writes: number,
  bounds: Bounds,
  stop: AbortSignal,
): Promise<void> {
  const { findings, volume } = plain;
  const server = await Gfserve.start({ config: plain.config(cache, more) });
  const name = `fresh-${bounds.p99}`;
  const root = join(plain.mount, name);
  await mkdir(root);
  const freshness = new Freshness(server.port, `/${name}`, root);
  const busy = new Busy(server.port, join(plain.mount, 'busy'), bounds.p99 * 4, findings);
  if (bounds === TOLD) await busy.start();
  try {
    const all: number[] = [];
    for (const change of CHANGES) {
      const times = await measureOne(freshness, change, Math.ceil(writes / CHANGES.length), stop);
      for (const { problem } of times)
        if (problem !== null) findings.violation(`${change}: ${problem}`);
      const sorted = times.map(({ ms }) => ms).sort((a, b) => a - b);
      all.push(...sorted);
      show(change, sorted);
    }
    all.sort((a, b) => a - b);
    show('all', all);
    const [median, p99] = [percentile(all, 0.5), percentile(all, 0.99)];
    if (median > bounds.median)
      findings.violation(`median ${median.toFixed(1)} ms over ${bounds.median}`);
    if (p99 > bounds.p99) findings.violation(`p99 ${p99.toFixed(1)} ms over ${bounds.p99}`);
    const [worker] = await server.workers();
    const counts = worker?.volumes[0]?.cache ?? {};
    say(`volume ${volume}: ${JSON.stringify(counts)}`);
  } finally {
    await busy.stop();
    if (busy.answers > 0) {
      say(
        `files replaced under load: ${busy.answers} answers, the oldest content ${busy.oldestMs.toFixed(0)} ms after its replacement`,
      );
    }
    freshness.close();
    await server.stop();
  }
}

async function measureOne(
  freshness: Freshness,
  change: Change,
  count: number,
  stop: AbortSignal,
): Promise<{ readonly ms: number; readonly problem: string | null }[]> {
  const times = [];
  for (let i = 0; i < count; i++) {
    stop.throwIfAborted();
    times.push(await freshness.measure(change));
  }
  return times;
}

function show(what: string, sorted: readonly number[]): void {
  const text = [0.5, 0.99, 1].map((share) => `${percentile(sorted, share).toFixed(1)} ms`);
  tell(
    `${what.padEnd(14)} ${sorted.length} times: median ${text[0]}, p99 ${text[1]}, longest ${text[2]}`,
  );
}

/** `writes` changes with invalidations and `valid = 10m`, and a tenth of them without. */
export async function fresh(findings: Findings, writes: number, stop: AbortSignal): Promise<void> {
  const plain = await Plain.build(findings, 3);
  try {
    tell('with invalidations, valid = 10m');
    await measureAll(plain, 'valid = 10m\nnegative = 10m', '', writes, TOLD, stop);
    tell('without, valid = 1s');
    await measureAll(
      plain,
      'valid = 1s\nnegative = 1s',
      'invalidate = off',
      writes / 10,
      SILENT,
      stop,
    );
  } finally {
    await plain.takeDown();
  }
}
