/** What gfserve tells a service manager, and when: ready, reloading, stopping, how it is, and that it is alive. */
import type { Config } from './config/types.js';
import type { WorkerFigures } from './observe/ledger.js';
import { isConnected } from './readiness.js';
import { notify, reloadingFields, type Service } from './systemd.js';

/** Workers report once a second: one that has said nothing for so long does not answer. Milliseconds. */
const SILENT_MS = 5_000;
/** How often it is looked whether the status has become another, and again whether it is alive when it was not. */
const STATUS_MS = 1_000;
/** All workers have so long to be ready after the first one listens; then it is enough that the listeners are open. */
const READY_AT_MOST_MS = 5_000;

export interface Running {
  readonly config: () => Config;
  readonly workers: () => readonly WorkerFigures[];
}

const counted = (count: number, word: string): string =>
  `${count} ${word}${count === 1 ? '' : 's'}`;

/** One line for `systemctl status`. Pure. */
export function statusLine(
  config: Pick<Config, 'mounts' | 'volumes' | 'server'>,
  figures: readonly WorkerFigures[],
): string {
  const { mounts, volumes, server } = config;
  const ready = figures.filter(({ phase }) => phase === 'ready');
  const away = volumes.filter(({ name }) => ready.some((each) => !isConnected(each, name)));
  const missing =
    away.length === 0 ? '' : ` (not connected: ${away.map(({ name }) => name).join(', ')})`;
  const workers =
    ready.length < server.workers
      ? `${ready.length} of ${counted(server.workers, 'worker')}`
      : counted(server.workers, 'worker');
  return `serving ${counted(mounts.length, 'mount')} from ${counted(volumes.length, 'volume')}${missing} with ${workers}`;
}

/** Whether some worker answers; what volumes and bricks do is no matter. Pure. */
export const isAlive = (figures: readonly WorkerFigures[]): boolean =>
  figures.some(({ phase, ageMs }) => phase !== 'starting' && ageMs <= SILENT_MS);

/** All of it on the supervisor's loop: while that hangs, nothing is told. */
export class ServiceNotices {
  #isReady = false;
  #isStopping = false;
  #status = '';
  #late: NodeJS.Timeout | null = null;
  #watchdog: NodeJS.Timeout | null = null;
  #looking: NodeJS.Timeout | null = null;

  /** null: nobody wants to hear anything. */
  constructor(
    private readonly service: Service | null,
    private readonly running: Running,
  ) {}

  /** The first worker listens. */
  listening(): void {
    if (this.service === null) return;
    this.#late ??= setTimeout(() => this.ready(), READY_AT_MOST_MS).unref();
  }

  /** All workers of the start are ready. */
  ready(): void {
    if (this.service === null || this.#isReady || this.#isStopping) return;
    this.#isReady = true;
    if (this.#late) clearTimeout(this.#late);
    this.#status = this.#line();
    notify({ READY: 1, STATUS: this.#status });
    this.#looking = setInterval(() => this.#look(), STATUS_MS).unref();
    this.#watch();
  }

  reloading(): void {
    if (!this.#isReady || this.#isStopping) return;
    this.#status = 'reloading';
    notify({ ...reloadingFields(), STATUS: this.#status });
  }

  /** Applied or not: it serves. */
  reloaded(): void {
    if (!this.#isReady || this.#isStopping) return;
    this.#status = this.#line();
    notify({ READY: 1, STATUS: this.#status });
  }

  stopping(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    if (this.#late) clearTimeout(this.#late);
    if (this.#looking) clearInterval(this.#looking);
    if (this.service) notify({ STOPPING: 1, STATUS: 'finishing what is under way' });
  }

  #line(): string {
    return statusLine(this.running.config(), this.running.workers());
  }

  #look(): void {
    if (this.#status === 'reloading') return;
    const status = this.#line();
    if (status === this.#status) return;
    this.#status = status;
    notify({ STATUS: status });
  }

  /** At half the time that the manager gives; where nobody answers, it is looked again until somebody does. */
  #watch(): void {
    const { watchdogMs } = this.service ?? { watchdogMs: null };
    if (watchdogMs === null) return;
    const half = watchdogMs / 2;
    const look = (): void => {
      // A stop has its own time limit, and workers that leave answer nobody.
      const alive = this.#isStopping || isAlive(this.running.workers());
      if (alive) notify({ WATCHDOG: 1 });
      this.#watchdog = setTimeout(look, alive ? half : Math.min(STATUS_MS, half / 4)).unref();
    };
    look();
  }

  close(): void {
    for (const timer of [this.#late, this.#watchdog]) if (timer) clearTimeout(timer);
    if (this.#looking) clearInterval(this.#looking);
  }
}
