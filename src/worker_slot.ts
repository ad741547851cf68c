import cluster, { type Worker } from 'node:cluster';
import type { Config } from './config/types.js';
import {
  type FromWorker,
  readFromWorker,
  sendable,
  type ToWorker,
  type WorkerStatus,
} from './ipc.js';
import type { Ledger } from './observe/ledger.js';
import { errnoOf, type Logger } from './observe/log.js';
import { isSocketHandle, type SocketHandle, type Sockets } from './sockets.js';
import type { Events } from './status/events.js';
import { workerFlags } from './worker_flags.js';

/** Milliseconds. Passed in, so that tests need not wait. */
export interface RestartTiming {
  /** Before the second restart in a row; the first comes at once, each later one after twice the time. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** A worker that was ready for so long has made up for its predecessors' deaths. */
  readonly resetAfterMs: number;
}

export const RESTART_TIMING: RestartTiming = {
  firstMs: 100,
  longestMs: 10_000,
  resetAfterMs: 30_000,
};

/** How long to wait before the start that follows the `deaths`-th death in a row, 1 being the first. */
export function restartDelay(deaths: number, timing: RestartTiming): number {
  return deaths <= 1 ? 0 : Math.min(timing.longestMs, timing.firstMs * 2 ** (deaths - 2));
}

/** How long a worker may take to exit after it has said that it failed, and to answer a question. */
const FAILED_EXIT_MS = 2000;
const STATUS_MS = 1000;
const LAST_MESSAGE_MS = 500;
/** How long the successor of one that died may take to listen while clients wait for it. */
const LISTEN_MS = 15_000;

/** Milliseconds. How long a worker waits for its volumes before it listens. */
const GRACE_MS = {
  /** Nobody answers meanwhile. */
  alone: 700,
  /** Who has come to the sockets of the one that died waits for this one. */
  awaited: 3_000,
  /** Others answer all there is: no need to answer 503 for a volume that is just being connected. */
  covered: 10_000,
} as const;

export interface SlotOptions {
  readonly number: number;
  readonly config: Config;
  /** The worker's entry file. */
  readonly workerFile: string;
  readonly log: Logger;
  readonly timing: RestartTiming;
  readonly ledger: Ledger;
  /** Told of deaths and successors. */
  readonly events: Events;
  /** Whether others answer requests meanwhile; `isRestart`: the worker takes the place of one that died. */
  readonly othersServe: (isRestart: boolean) => boolean;
  /** What a worker here listens on instead of opening sockets of its own; the caller's. */
  readonly inherited: () => Sockets;
  /**
   * Whether others use this worker's sockets too, so that one who comes after its death must have the same, however late: on a
   * unix socket's path a new socket would shut out the others.
   */
  readonly areSocketsShared: () => boolean;
  /** Called for every `listening` and every `ready`. */
  readonly onListening: () => void;
  readonly onReady: () => void;
  /** After a death that was not asked for; the next start is already planned. */
  readonly onDeath: () => void;
  /** The worker says so, with the number of connections to volumes that have ended; never while it drains. */
  readonly onWorn: (ended: number) => void;
}

/** How a worker left after a drain. */
export interface Farewell {
  readonly finished: number;
  readonly cut: number;
  /** Whether it went by itself and in order. */
  readonly inOrder: boolean;
}

/** What /status shows for a worker; all of WorkerStatus where it answered. */
export type WorkerReport =
  | (WorkerStatus & { readonly state: 'starting' | 'ready' | 'draining' })
  | {
      readonly state: 'starting' | 'waiting' | 'unresponsive';
      readonly number: number;
      readonly pid: number | null;
    };

/** One process: from fork to exit. */
interface Life {
  readonly worker: Worker;
  readonly bornMs: number;
  readyMs: number | null;
  /** Whether it has said hello, so that it reads what it is told. */
  isListeningToUs: boolean;
  /** What it said in `failed`. */
  failure: string | null;
  drained: { readonly finished: number; readonly cut: number } | null;
  /** Those it listens on, kept for its successor; closed with it, or when it is to accept no more. */
  readonly sockets: Map<string, SocketHandle>;
}

/**
 * The place of one worker: keeps its number, and puts a new process in when the old one dies, until it is drained or
 * killed. All of it runs on the supervisor's loop.
 */
export class WorkerSlot {
  readonly number: number;
  /** Deaths since the last time a worker here was ready. */
  failedStarts = 0;
  /** Why the last one died; '' as long as none did. */
  lastDeath = '';
  restarts = 0;

  readonly #options: SlotOptions;
  #life: Life | null = null;
  /** Counts for the back-off; reset once a worker has lasted. */
  #deaths = 0;
  #timer: NodeJS.Timeout | null = null;
  /** Of a worker that has died, for the next one: who comes meanwhile waits for that. */
  #left = new Map<string, SocketHandle>();
  #isStopping = false;
  /** Who waits for its end. */
  readonly #onGone: ((farewell: Farewell) => void)[] = [];
  #statusId = 0;
  readonly #statusWaiters = new Map<number, (body: WorkerStatus) => void>();

  constructor(options: SlotOptions) {
    this.number = options.number;
    this.#options = options;
  }

  get isReady(): boolean {
    return !this.#isStopping && this.#life !== null && this.#life.readyMs !== null;
  }

  start(): void {
    const { workerFile, number, config } = this.#options;
    const execArgv = workerFlags(config, process.execArgv, process.env.NODE_OPTIONS ?? '');
    // cluster keeps these settings for the next fork only; the number is there for people who read `ps`.
    cluster.setupPrimary({ exec: workerFile, args: [String(number)], execArgv, silent: false });
    let worker: Worker;
    try {
      worker = cluster.fork();
    } catch (e) {
      this.#died(`could not be forked (${errnoOf(e)})`);
      return;
    }
    const life: Life = {
      worker,
      bornMs: performance.now(),
      readyMs: null,
      isListeningToUs: false,
      failure: null,
      drained: null,
      sockets: new Map(),
    };
    this.#life = life;
    this.#options.ledger.born(worker.id, number, worker.process.pid ?? null);
    worker.on('message', (value: unknown, handle: unknown) => {
      const message = readFromWorker(value);
      const socket = isSocketHandle(handle) ? handle : null;
      if (message && this.#life === life) this.#heard(life, message, socket);
      else socket?.close();
    });
    worker.once('exit', (code: number | null, signal: string | null) =>
      afterLastMessage(worker, () => this.#ended(life, code, signal)),
    );
    this.#awaitIt(life);
    // Without a process there is no exit. With one, this is a message that could not be sent to a dead worker.
    worker.on('error', (e: Error) => {
      if (worker.process.pid === undefined && this.#life === life) {
        this.#life = null;
        this.#options.ledger.died(worker.id);
        this.#died(`could not be forked (${errnoOf(e)})`);
      }
    });
  }

  /** Clients wait for it on the sockets of the one that died; after a second death they wait no more. */
  #awaitIt(life: Life): void {
    const late = (): void => {
      if (this.#life !== life || this.#left.size === 0) return;
      if (this.#options.areSocketsShared()) {
        this.#awaitIt(life);
        return;
      }
      life.failure = `did not listen within ${seconds(LISTEN_MS)}`;
      life.worker.process.kill('SIGKILL');
    };
    setTimeout(late, LISTEN_MS).unref();
  }

  /** Nobody else uses its sockets any more: none is kept for a worker that is only to come after a while. */
  unshare(): void {
    if (!this.#life && this.#deaths > 1) this.#closeLeft();
  }

  /** What the worker listens on, as long as it is to accept. */
  get sockets(): Sockets {
    const own = this.#life?.sockets;
    return own && own.size > 0 ? own : this.#left;
  }

  /**
   * Sends the worker home, and no other comes; `retire` where others have taken over. Resolves when its process is gone,
   * which another call can hasten, and `kill`.
   */
  drain(timeoutMs: number, type: 'drain' | 'retire' = 'drain'): Promise<Farewell> {
    this.#isStopping = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#closeLeft();
    const life = this.#life;
    if (!life) return Promise.resolve({ finished: 0, cut: 0, inOrder: true });
    closeAll(life.sockets);
    return new Promise((resolve) => {
      this.#onGone.push(resolve);
      this.#options.ledger.entered(life.worker.id, 'draining');
      if (life.isListeningToUs) this.#tell(life, { type, timeoutMs });
      else life.worker.process.kill('SIGKILL');
    });
  }

  /** Has the access log's file opened anew, for a rotation. */
  reopenLog(): void {
    if (this.#life?.isListeningToUs) this.#tell(this.#life, { type: 'reopen' });
  }

  /** At once; no other comes. */
  kill(): void {
    this.#isStopping = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#closeLeft();
    this.#life?.worker.process.kill('SIGKILL');
  }

  /** Within a second. Never rejects. */
  async status(): Promise<WorkerReport> {
    const life = this.#life;
    const pid = life?.worker.process.pid ?? null;
    const { number } = this;
    if (!life) return { number, pid, state: 'waiting' };
    if (!life.isListeningToUs) return { number, pid, state: 'starting' };
    this.#statusId += 1;
    const id = this.#statusId;
    const body = await new Promise<WorkerStatus | null>((resolve) => {
      const timer = setTimeout(() => resolve(null), STATUS_MS);
      this.#statusWaiters.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.#tell(life, { type: 'status', id });
    });
    this.#statusWaiters.delete(id);
    if (!body) return { number, pid, state: 'unresponsive' };
    const phase = life.readyMs === null ? 'starting' : 'ready';
    return { ...body, state: this.#isStopping ? 'draining' : phase };
  }

  /** Has the worker report its figures to the ledger: within a second, or not. Never rejects. */
  measure(): Promise<void> {
    const life = this.#life;
    if (!life?.isListeningToUs) return Promise.resolve();
    const heard = this.#options.ledger.next(life.worker.id, STATUS_MS);
    this.#tell(life, { type: 'measure' });
    return heard;
  }

  #tell({ worker }: Life, message: ToWorker, socket?: SocketHandle): void {
    // It may have died this moment; its exit says so.
    if (worker.isConnected()) worker.send(message, socket && sendable(socket), () => undefined);
  }

  #heard(life: Life, message: FromWorker, socket: SocketHandle | null): void {
    const { log } = this.#options;
    switch (message.type) {
      case 'hello':
        this.#begin(life);
        break;
      case 'socket':
        if (!socket) break;
        life.sockets.set(message.key, socket);
        if (this.#isStopping) closeAll(life.sockets);
        break;
      case 'listening':
        this.#closeLeft();
        log.debug(`worker ${this.number} listens`, { listeners: message.listeners });
        this.#options.onListening();
        break;
      case 'ready':
        this.#becameReady(life);
        break;
      case 'worn':
        if (!this.#isStopping) this.#options.onWorn(message.ended);
        break;
      case 'failed':
        life.failure = `${message.code}: ${message.message}`;
        setTimeout(() => life.worker.process.kill('SIGKILL'), FAILED_EXIT_MS).unref();
        break;
      case 'status':
        this.#statusWaiters.get(message.id)?.(message.body);
        break;
      case 'metrics':
        this.#options.ledger.heard(life.worker.id, message.samples, message.asked);
        break;
      case 'drained':
        life.drained = message;
        break;
      default:
        message satisfies never;
    }
  }

  #begin(life: Life): void {
    const { config, othersServe, inherited } = this.#options;
    life.isListeningToUs = true;
    const sockets = this.#left.size > 0 ? this.#left : inherited();
    for (const [key, socket] of sockets) this.#tell(life, { type: 'socket', key }, socket);
    let graceMs: number = GRACE_MS.alone;
    if (othersServe(this.restarts > 0)) {
      graceMs = this.#left.size > 0 ? GRACE_MS.awaited : GRACE_MS.covered;
    }
    this.#tell(life, { type: 'start', number: this.number, config, graceMs });
  }

  #becameReady(life: Life): void {
    if (life.readyMs !== null) return;
    life.readyMs = performance.now();
    this.#options.ledger.entered(life.worker.id, 'ready');
    this.failedStarts = 0;
    if (this.restarts > 0) {
      const pid = life.worker.process.pid;
      const story = `worker ${this.number} (pid ${pid}) is ready after ${seconds(life.readyMs - life.bornMs)}`;
      this.#options.log.info(story);
      this.#options.events.add('worker', 'good', story);
    }
    this.#options.onReady();
  }

  #ended(life: Life, code: number | null, signal: string | null): void {
    this.#options.ledger.died(life.worker.id);
    if (this.#life !== life) return;
    this.#life = null;
    for (const [key, socket] of life.sockets) {
      this.#left.get(key)?.close();
      this.#left.set(key, socket);
    }
    life.sockets.clear();
    const cause = signal === null ? `exited with status ${code}` : `was killed by ${signal}`;
    if (this.#isStopping) {
      this.#closeLeft();
      const inOrder = !life.isListeningToUs || (signal === null && code === 0);
      if (!inOrder) this.#options.log.error(`worker ${this.number} ${cause} while it was draining`);
      this.#gone({ finished: 0, cut: 0, ...life.drained, inOrder });
      return;
    }
    const now = performance.now();
    const lasted = life.readyMs !== null && now - life.readyMs >= this.#options.timing.resetAfterMs;
    if (lasted) this.#deaths = 0;
    if (life.readyMs === null) this.failedStarts += 1;
    const age = `(pid ${life.worker.process.pid}) ${cause} after ${seconds(now - life.bornMs)}`;
    this.lastDeath = life.failure ?? cause;
    this.#plan(life.failure === null ? age : `${age}: ${life.failure}`);
  }

  #died(cause: string): void {
    if (this.#isStopping) {
      this.#closeLeft();
      this.#gone({ finished: 0, cut: 0, inOrder: true });
      return;
    }
    this.failedStarts += 1;
    this.lastDeath = cause;
    this.#plan(cause);
  }

  #closeLeft(): void {
    closeAll(this.#left);
    this.#left = new Map();
  }

  #gone(farewell: Farewell): void {
    for (const resolve of this.#onGone.splice(0)) resolve(farewell);
  }

  #plan(story: string): void {
    this.#deaths += 1;
    const delay = restartDelay(this.#deaths, this.#options.timing);
    // The kernel is to send clients elsewhere, or refuse them, rather than have them wait for it.
    if (delay > 0 && !this.#options.areSocketsShared()) this.#closeLeft();
    const next = delay === 0 ? 'at once' : `in ${seconds(delay)}`;
    const whole = `worker ${this.number} ${story}; the next one starts ${next}`;
    this.#options.log.error(whole);
    this.#options.events.add('worker', 'bad', whole);
    this.#timer = setTimeout(() => {
      this.restarts += 1;
      this.#options.ledger.restarted(this.number);
      this.start();
    }, delay);
    this.#options.onDeath();
  }
}

/** The kernel gives those who come to the address to others from then on, or refuses them. */
function closeAll(sockets: Map<string, SocketHandle>): void {
  for (const socket of sockets.values()) socket.close();
  sockets.clear();
}

/**
 * A process's exit can be seen before the last that it said has been read: its `drained` or `failed`. The channel's end
 * comes after both, unless a child of the worker's keeps it open.
 */
function afterLastMessage(worker: Worker, then: () => void): void {
  if (!worker.isConnected()) {
    then();
    return;
  }
  const once = () => {
    clearTimeout(timer);
    worker.off('disconnect', once);
    then();
  };
  const timer = setTimeout(once, LAST_MESSAGE_MS);
  worker.once('disconnect', once);
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 0)} s`;
