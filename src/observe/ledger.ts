/**
 * The supervisor's account of its workers' figures. What a worker has counted outlives it: its last report is added to that
 * of the dead, so that no counter ever goes down; its gauges go with it. All of it runs on the supervisor's loop.
 */
import { addCells } from './histogram.js';
import { metricOf, type Sample, sample, workers } from './metrics.js';

export type WorkerPhase = 'starting' | 'ready' | 'draining';

/** What is known of one worker process. */
export interface WorkerFigures {
  /** Its place: 1 to `server.workers`. */
  readonly number: number;
  readonly pid: number | null;
  readonly phase: WorkerPhase;
  readonly samples: readonly Sample[];
  /** How long ago it reported them, or was started; milliseconds. */
  readonly ageMs: number;
}

interface Life {
  readonly number: number;
  readonly pid: number | null;
  phase: WorkerPhase;
  samples: readonly Sample[];
  heardMs: number;
  readonly waiters: Set<() => void>;
}

/** Series by name and labels. */
type Totals = Map<string, Sample>;

export class Ledger {
  /** By a number that no two processes share. */
  readonly #lives = new Map<number, Life>();
  readonly #dead: Totals = new Map();
  readonly #restarts = new Map<number, number>();
  #renewals = 0;
  /** What another gfserve has counted, whose place this one takes. */
  #former: readonly Sample[] = [];

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** `id` stands for this process and for no other, ever. */
  born(id: number, number: number, pid: number | null): void {
    this.#lives.set(id, {
      number,
      pid,
      phase: 'starting',
      samples: [],
      heardMs: this.now(),
      waiters: new Set(),
    });
    if (!this.#restarts.has(number)) this.#restarts.set(number, 0);
  }

  entered(id: number, phase: WorkerPhase): void {
    const life = this.#lives.get(id);
    if (life) life.phase = phase;
  }

  /** `asked`: it is the answer to whoever waits in `next`. */
  heard(id: number, samples: readonly Sample[], asked: boolean): void {
    const life = this.#lives.get(id);
    if (!life) return;
    life.samples = samples;
    life.heardMs = this.now();
    if (!asked) return;
    for (const wake of life.waiters) wake();
  }

  /** Resolves with its next answer, with its death, or after `timeoutMs`. */
  next(id: number, timeoutMs: number): Promise<void> {
    const life = this.#lives.get(id);
    if (!life) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        life.waiters.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      life.waiters.add(wake);
    });
  }

  /** Another one takes the place of one that died. */
  restarted(number: number): void {
    this.#restarts.set(number, (this.#restarts.get(number) ?? 0) + 1);
  }

  /** All workers were exchanged, as libgfapi had kept memory in them. */
  renewed(): void {
    this.#renewals += 1;
  }

  /** Its process has ended, in whatever way. */
  died(id: number): void {
    const life = this.#lives.get(id);
    if (!life) return;
    this.#lives.delete(id);
    this.#bury(life.samples);
    for (const wake of life.waiters) wake();
  }

  /** All that the gfserve whose place this one takes has counted, and what its workers still have. */
  formerHeard(samples: readonly Sample[]): void {
    this.#former = samples;
  }

  formerEnded(): void {
    this.#bury(this.#former);
    this.#former = [];
  }

  #bury(samples: readonly Sample[]): void {
    for (const each of samples) {
      if (metricOf(each.name)?.kind !== 'gauge') add(this.#dead, each);
    }
  }

  /** By their numbers. */
  get workers(): readonly WorkerFigures[] {
    const nowMs = this.now();
    const lives = [...this.#lives.values()].sort((a, b) => a.number - b.number);
    return lives.map(({ number, pid, phase, samples, heardMs }) => ({
      number,
      pid,
      phase,
      samples,
      ageMs: nowMs - heardMs,
    }));
  }

  /** Of all workers together, dead and alive, and what is known of them here. */
  samples(): readonly Sample[] {
    const totals: Totals = new Map(this.#dead);
    for (const each of this.#former) add(totals, each);
    for (const { samples } of this.#lives.values()) for (const each of samples) add(totals, each);
    for (const each of this.#own()) add(totals, each);
    return [...totals.values()];
  }

  *#own(): Generator<Sample> {
    for (const [number, count] of this.#restarts) {
      yield sample(workers.restarts, [String(number)], count);
    }
    yield sample(workers.renewals, [], this.#renewals);
    for (const phase of ['starting', 'ready', 'draining'] as const) {
      yield sample(workers.workers, [phase], 0);
    }
    for (const { number, phase, ageMs } of this.workers) {
      yield sample(workers.workers, [phase], 1);
      yield sample(workers.silence, [String(number)], ageMs / 1000);
    }
  }
}

function add(totals: Totals, each: Sample): void {
  const key = [each.name, ...each.labels].join('\0');
  const before = totals.get(key);
  totals.set(key, before ? { ...each, value: merged(before, each) } : each);
}

function merged(a: Sample, b: Sample): Sample['value'] {
  if (typeof a.value !== 'number') {
    if (typeof b.value === 'number') throw new Error(`${a.name} is both a number and a histogram`);
    return addCells(a.value, b.value);
  }
  if (typeof b.value !== 'number') throw new Error(`${a.name} is both a number and a histogram`);
  switch (metricOf(a.name)?.merge) {
    case 'min':
      return Math.min(a.value, b.value);
    case 'max':
      return Math.max(a.value, b.value);
    default:
      return a.value + b.value;
  }
}
