/** The workers' lives and what they hold. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkerStatus } from '../../src/ipc.js';
import { type Gfserve, processFigures } from '../support/gfserve.js';
import { descriptorsOf, newOnes } from './descriptors.js';
import { type Findings, say } from './report.js';

export interface Figures {
  readonly rss: number;
  readonly threads: number;
  readonly descriptors: number;
  /** Each is a connection. */
  readonly bricks: number;
}

const MIB = 1024 * 1024;

/** Of libgfapi's own: what a volume that is connected anew, or has switched its graph, has more for a while. */
const CALM_MS = 90_000;

export const mib = (bytes: number): string => (bytes / MIB).toFixed(1);

/** What is under way, or hangs, by its name; empty when nothing is. */
function busyness({ volumes }: WorkerStatus): string[] {
  return volumes.flatMap(({ name, state, native }) => {
    const counts = ['busy', 'queued', 'stuck', 'openFiles']
      .filter((key) => (native[key] ?? 0) > 0)
      .map((key) => `${name}: ${key} ${native[key]}`);
    return state === 'healthy' ? counts : [`${name} is ${state}`, ...counts];
  });
}

export class Workers {
  /** By the worker's number. */
  readonly #pids = new Map<number, number>();
  /** The last that was heard of each. */
  readonly #status = new Map<number, WorkerStatus>();
  readonly #expected = new Set<number>();
  /** By the worker's number. */
  readonly #baselines = new Map<number, Figures>();
  readonly #open = new Map<number, readonly string[]>();
  #stopped = false;
  #watching: Promise<void> | null = null;

  constructor(
    private readonly server: Gfserve,
    private readonly findings: Findings,
  ) {}

  get port(): number {
    return this.server.port;
  }

  start(): void {
    this.#watching = this.#watch();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#watching;
  }

  /** kill -9, on purpose. */
  kill(number: number): void {
    const pid = this.#pids.get(number);
    if (pid === undefined) return;
    this.#expected.add(pid);
    process.kill(pid, 'SIGKILL');
  }

  /** One line for people. */
  memory(): string {
    return [...this.#pids]
      .map(([number, pid]) => {
        const { rss, threads, descriptors } = figuresOf(pid);
        const parts = partsOf(this.#status.get(number));
        return `worker ${number}: ${mib(rss)} MiB${parts}, ${threads} threads, ${descriptors} descriptors`;
      })
      .join('; ');
  }

  rss(number: number): number {
    return figuresOf(this.#pids.get(number) ?? 0).rss;
  }

  /** Notes what each holds now, at rest. */
  async takeBaselines(): Promise<void> {
    await this.#rest(() => true);
    for (const [number, pid] of this.#pids) {
      this.#baselines.set(number, this.#figures(pid));
      this.#open.set(number, descriptorsOf(pid));
    }
  }

  /**
   * Compares with the baselines, whatever process has the number now. To be called at rest; waits until what libgfapi ends in the
   * background has ended.
   * @param growth by how much RSS may have grown, as a share
   */
  async compare(growth: number): Promise<void> {
    const lean = (): boolean =>
      [...this.#pids].every(([number, pid]) => {
        const [now, then] = [this.#figures(pid), this.#baselines.get(number)];
        return !then || (now.threads <= then.threads && descriptors(now) <= descriptors(then));
      });
    await this.#rest(lean);
    for (const text of await this.#stillBusy()) this.findings.violation(`at rest: ${text}`);
    for (const [number, pid] of this.#pids) {
      const then = this.#baselines.get(number);
      if (then === undefined) continue;
      const now = this.#figures(pid);
      this.#compareOne(number, then, now, growth);
      if (descriptors(now) <= descriptors(then)) continue;
      for (const text of newOnes(this.#open.get(number) ?? [], descriptorsOf(pid))) {
        say(`worker ${number} has opened since: ${text}`);
      }
    }
  }

  /** What is there each time: the looks at a volume's health, one a second, are no trouble. */
  async #stillBusy(): Promise<readonly string[]> {
    const looks: (readonly string[])[] = [];
    for (let look = 0; look < 5; look++) {
      if (look > 0) await sleep(300);
      const workers = await this.server.workers();
      looks.push(
        workers.flatMap((worker) =>
          busyness(worker).map((text) => `worker ${worker.number}: ${text}`),
        ),
      );
    }
    const [first = [], ...others] = looks;
    return first.filter((text) => others.every((each) => each.includes(text)));
  }

  #compareOne(number: number, then: Figures, now: Figures, growth: number): void {
    if (now.threads > then.threads) {
      this.findings.violation(`worker ${number} has ${now.threads} threads, not ${then.threads}`);
    }
    if (descriptors(now) > descriptors(then)) {
      const held = ({ descriptors: count, bricks }: Figures) => `${count} for ${bricks} bricks`;
      this.findings.violation(`worker ${number} has ${held(now)} open, and had ${held(then)}`);
    }
    if (now.rss > then.rss * (1 + growth)) {
      this.findings.violation(
        `worker ${number} has ${mib(now.rss)} MiB and had ${mib(then.rss)} MiB`,
      );
    }
  }

  /** Whether it was exchanged with all others, rather than for its death. */
  #isRenewed(pid: number): boolean {
    const { log } = this.server;
    const died = new RegExp(`\\(pid ${pid}\\) (exited|was killed)`).test(log);
    return !died && log.includes('renewal: done');
  }

  #figures(pid: number): Figures {
    const status = [...this.#status.values()].find((each) => each.pid === pid);
    const bricks = status?.volumes.reduce((all, each) => all + each.bricks.length, 0) ?? 0;
    return { ...figuresOf(pid), bricks };
  }

  /** Until nothing is under way and `enough` says so; no longer than CALM_MS. */
  async #rest(enough: () => boolean): Promise<void> {
    const deadline = performance.now() + CALM_MS;
    await sleep(5_000);
    while (performance.now() < deadline) {
      const workers = await this.server.workers();
      if (workers.every((worker) => busyness(worker).length === 0) && enough()) return;
      await sleep(1_000);
    }
  }

  async #watch(): Promise<void> {
    while (!this.#stopped) {
      const workers = await this.server.workers().catch((error: unknown) => {
        this.findings.violation(`/status: ${String(error)}`);
        return [];
      });
      for (const worker of workers) {
        const { number, pid } = worker;
        this.#status.set(number, worker);
        const former = this.#pids.get(number);
        this.#pids.set(number, pid);
        if (former === undefined || former === pid || this.#expected.has(former)) continue;
        if (this.#isRenewed(former)) continue;
        this.findings.violation(`worker ${number} has crashed: it was ${former} and is ${pid}`);
      }
      await sleep(500);
    }
  }
}

/** Those that do not come and go with the volume's bricks. */
const descriptors = (figures: Figures): number => figures.descriptors - figures.bricks;

/** What of the memory is known by name, for people. */
function partsOf(status: WorkerStatus | undefined): string {
  if (!status) return '';
  const { heapUsed, external, blockBytes = 0 } = status.memory;
  const named = { heap: heapUsed, external, blocks: blockBytes, cache: status.cache?.bytes ?? 0 };
  const texts = Object.entries(named).map(([name, bytes]) => `${name} ${mib(bytes)}`);
  return ` (${texts.join(', ')})`;
}

function figuresOf(pid: number): Omit<Figures, 'bricks'> {
  try {
    return processFigures(pid);
  } catch {
    // It was killed a moment ago, or a thread ended while it was being read.
    return { rss: 0, threads: 0, descriptors: 0 };
  }
}
