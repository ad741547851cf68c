/**
 * One volume's life in a worker: it connects, tries again with backoff until it succeeds, and answers at once while there
 * is no connection. Once connected, libgfapi reconnects to bricks by itself. Another layout is another connection.
 */
import type { VolumeConfig } from '../config/types.js';
import type { Logger } from '../observe/log.js';
import { VolumeCounters } from '../observe/volume_counters.js';
import { type AttemptResult, handleCapacity } from './connect.js';
import { Connection } from './connection.js';
import { Connector } from './connector.js';
import { Deadlines } from './deadlines.js';
import { type InUse, openByLatest } from './handover.js';
import type { Brick, Verdict } from './health.js';
import { Native } from './native.js';
import type {
  Cancel,
  OpenRequest,
  OpenResult,
  RootId,
  Storage,
  StorageEvent,
  SymlinkPolicy,
} from './storage.js';
import { haveOtherBricks } from './volfile/bricks.js';
import { type Present, whyWorse } from './watch.js';

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 4_000;
/** The same failure is logged again after this long. */
const REPEAT_LOG_MS = 60_000;

/** A volume that has been down for so long is connected anew, beside the old connection: it may be another one by now. */
const REPLACE_AFTER_MS = 5_000;
const REPLACE_LAST_RETRY_MS = 20_000;
/** Half of the first wait after a connection by a new layout was not to be had. */
const OUTDATED_RETRY_MS = 1_000;
/** A connection that was replaced is closed when its downloads have ended, at the latest after this. */
const RETIRE_MS = 600_000;
/** … or when so many younger ones are there: each holds 5 MiB and more. What is open is opened anew over the one in use. */
const MAX_RETIRED = 4;
const TICK_MS = 1_000;
/**
 * Where libgfapi follows the layout by itself: a connection that has seen so many is replaced when the last one has been there for
 * so long. More would save few new connections, and hold 5 MiB and more each.
 */
const MAX_SWITCHES = 4;
const CALM_MS = 10_000;
const OUTDATED = 'its volume file is another one';

export type VolumeState = 'connecting' | 'healthy' | 'degraded' | 'down' | 'closed';

export interface VolumeOptions {
  readonly native: Native;
  readonly log: Logger;
  readonly maxQueue: number;
  /** As handleCapacity says. */
  readonly handles: number;
  readonly requestTimeoutMs: number;
}

export class Volume implements Storage {
  readonly name: string;
  readonly counters = new VolumeCounters();
  readonly #deadlines: Deadlines;
  readonly #connector: Connector;
  readonly #firstVerdict: Promise<void>;
  #verdict: () => void = () => undefined;
  #state: VolumeState = 'connecting';
  #since = Date.now();
  #server: string | null = null;
  #connection: Connection | null = null;
  readonly #inUse: InUse = () =>
    this.#state === 'down' ? null : (this.#connection?.storage ?? null);
  readonly #present: Present = {
    bricks: () => this.#bricksInUse(),
    isDown: () => this.#connection === null || this.#state === 'down',
  };
  /** The volume file of the connection in use; null: libgfapi follows it by itself. */
  #volfile: string | null = null;
  /** There is another one since a while. */
  #outdated = false;
  /** Replaced, with downloads still running. */
  readonly #retired = new Map<Connection, number>();
  #ended = 0;
  #replacing = false;
  #replaceAt = 0;
  #replaceMs = REPLACE_AFTER_MS;
  readonly #timer: NodeJS.Timeout;
  #retry: NodeJS.Timeout | null = null;
  #retryMs = FIRST_RETRY_MS;
  #lastReason = '';
  #loggedAt = 0;
  #listener: (event: StorageEvent) => void = () => undefined;

  constructor(
    private readonly config: VolumeConfig,
    private readonly options: VolumeOptions,
  ) {
    this.name = config.name;
    this.#deadlines = new Deadlines(options.requestTimeoutMs);
    this.#connector = new Connector(config, options, {
      heard: ({ text }) => this.#heard(text),
      settled: ({ text }) => this.#settled(text),
    });
    this.#firstVerdict = new Promise((resolve) => {
      this.#verdict = resolve;
    });
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  /** Begins to connect. Resolves when the first attempt has succeeded or failed; the next ones go on by themselves. */
  start(): Promise<void> {
    void this.#attempt();
    return this.#firstVerdict;
  }

  /** Connections that were let go of. Failed attempts do not count: they leave next to nothing behind. */
  get ended(): number {
    return this.#ended;
  }

  status(): {
    state: VolumeState;
    server: string | null;
    since: number;
    native: Record<string, number>;
    bricks: readonly Brick[];
  } {
    return {
      state: this.#state,
      server: this.#server,
      since: this.#since,
      native: this.#connection?.stats() ?? {},
      bricks: this.#bricksInUse(),
    };
  }

  root(path: string, symlinks: SymlinkPolicy): RootId {
    return this.options.native.addRoot(path, symlinks);
  }

  open(request: OpenRequest, done: (result: OpenResult) => void): Cancel {
    const storage = this.#inUse();
    if (storage !== null) return openByLatest(storage, this.#inUse, request, done);
    let cancelled = false;
    const code = this.#state === 'connecting' ? 'connecting' : 'down';
    this.counters.failed(code);
    queueMicrotask(() => {
      if (!cancelled) done({ ok: false, code, errno: 0 });
    });
    return () => {
      cancelled = true;
    };
  }

  peek(): null {
    return null;
  }

  watch(listener: (event: StorageEvent) => void): void {
    this.#listener = listener;
  }

  /** Lets go of the volume in the background. What is under way is answered; what comes later is refused. */
  close(): void {
    if (this.#retry) clearTimeout(this.#retry);
    clearInterval(this.#timer);
    this.#connector.close();
    this.#connection?.close();
    this.#connection = null;
    for (const connection of this.#retired.keys()) connection.close();
    this.#retired.clear();
    this.#enter('closed');
  }

  #enter(state: VolumeState): void {
    this.#state = state;
    this.#since = Date.now();
  }

  async #attempt(): Promise<void> {
    this.#retry = null;
    const result = await this.#connect();
    if (result === null || this.#state === 'closed') return;
    if (!result.ok) {
      this.#failed(result.reason);
      return;
    }
    this.#enter('healthy');
    this.#take(result);
    this.options.log.info(
      `volume ${this.name}: connected through ${result.server} in ${Math.round(result.ms)} ms`,
    );
    this.#verdict();
  }

  /** null: it was closed meanwhile. */
  async #connect(): Promise<AttemptResult | null> {
    const { native } = this.options;
    const result = await this.#connector.connect();
    const worse = result.ok ? await whyWorse(native, result.volume, this.#present) : null;
    if (this.#state === 'closed') {
      if (result.ok) native.close(result.volume);
      return null;
    }
    if (result.ok && worse !== null) {
      native.close(result.volume);
      this.#ended += 1;
      return { ok: false, ms: result.ms, reason: worse };
    }
    return result;
  }

  /** The volume's file has changed, and may change again at once. */
  #heard(text: string): void {
    if (this.#volfile === null) return;
    this.#connection?.outdated(haveOtherBricks(text, this.#volfile));
  }

  #settled(text: string): void {
    if (this.#volfile === null || this.#state === 'closed') return;
    this.options.log.info(`volume ${this.name}: its layout has changed`);
    this.#outdated = text !== this.#volfile;
    if (!this.#outdated) return;
    this.#replaceMs = OUTDATED_RETRY_MS;
    void this.#replace(OUTDATED);
  }

  #bricksInUse(): readonly Brick[] {
    return this.#connection?.bricks ?? [];
  }

  #take(result: Extract<AttemptResult, { readonly ok: true }>): void {
    const { native, requestTimeoutMs, log } = this.options;
    this.#server = result.server;
    const before = this.#connection;
    const connection: Connection = new Connection(
      result.volume,
      {
        native,
        deadlines: this.#deadlines,
        threads: this.config.threads,
        requestTimeoutMs,
        counters: this.counters,
        replaces: before !== null,
      },
      {
        verdict: (verdict) => {
          if (connection === this.#connection) this.#judge(verdict);
        },
        failed: ({ code, errno }) =>
          log.debug(`volume ${this.name}: a request failed: ${code}`, { errno }),
        layoutChanged: () => log.info(`volume ${this.name}: its layout has changed`),
        mustReconnect: () => {
          if (connection !== this.#connection || Date.now() < this.#replaceAt) return;
          void this.#replace('its options have changed');
        },
        said: (event) => {
          if (connection === this.#connection) this.#listener(event);
        },
      },
    );
    this.#connection = connection;
    this.#volfile = result.volfile;
    this.#outdated = result.volfile !== null && result.volfile !== this.#connector.newest;
    if (before !== null) {
      this.#retired.set(before, Date.now());
      before.storage.supersede();
    }
    this.#listener({ kind: 'lost' });
    this.#replaceMs = REPLACE_AFTER_MS;
  }

  /** What the signs say of the connection in use. Every change is one line in the log. */
  #judge({ state, reason }: Verdict): void {
    if (state === this.#state) return;
    const { log } = this.options;
    const seconds = ((Date.now() - this.#since) / 1000).toFixed(1);
    const was = this.#state;
    this.#enter(state);
    if (was === 'down') this.#listener({ kind: 'lost' });
    switch (state) {
      case 'healthy':
        log.info(`volume ${this.name}: healthy again after ${seconds} s of being ${was}`);
        return;
      case 'degraded':
        log.warn(`volume ${this.name}: degraded: ${reason}; what needs nothing of that is served`);
        return;
      case 'down':
        this.#replaceAt = Date.now() + this.#replaceMs;
        this.#listener({ kind: 'down' });
        log.error(
          `volume ${this.name}: down: ${reason}; answering 503 at once, and asking it again every second`,
        );
        return;
      default: {
        const impossible: never = state;
        throw new Error(`unknown state ${String(impossible)}`);
      }
    }
  }

  #tick(): void {
    const now = Date.now();
    if (now >= this.#replaceAt) {
      if (this.#outdated) void this.#replace(OUTDATED);
      else if (this.#state === 'down') void this.#replace('it stays down');
      else if (this.#holdsOldGraphs()) void this.#replace('its layout has changed several times');
    }
    let younger = this.#retired.size;
    for (const [connection, since] of this.#retired) {
      younger -= 1;
      const isKept = younger < MAX_RETIRED && now - since < RETIRE_MS;
      if (isKept && !connection.isIdle()) continue;
      this.#retired.delete(connection);
      connection.close();
      this.#ended += 1;
    }
  }

  /**
   * libgfapi keeps what it held of each former layout until glfs_fini, which gives back most of it. The new connection must
   * be as good as the old one: so not while bricks are missing.
   */
  #holdsOldGraphs(): boolean {
    const connection = this.#connection;
    if (connection === null || this.#state !== 'healthy') return false;
    return connection.switches >= MAX_SWITCHES && connection.calmMs >= CALM_MS;
  }

  /** Connects anew, and then serves from there. What is being downloaded goes on where it is. */
  async #replace(why: string): Promise<void> {
    if (this.#replacing || this.#state === 'closed') return;
    this.#replacing = true;
    const result = await this.#connect();
    this.#replacing = false;
    if (result === null) return;
    if (!result.ok) {
      this.#replaceMs = Math.min(this.#replaceMs * 2, REPLACE_LAST_RETRY_MS);
      this.#replaceAt = Date.now() + this.#replaceMs;
      this.options.log.debug(`volume ${this.name}: not connected anew: ${result.reason}`);
      return;
    }
    this.#take(result);
    this.options.log.info(
      `volume ${this.name}: connected anew through ${result.server}, as ${why}`,
    );
    if (this.#state === 'down') this.#judge({ state: 'healthy', reason: '' });
  }

  #failed(reason: string): void {
    const wait = this.#retryMs;
    this.#retryMs = Math.min(wait * 2, LAST_RETRY_MS);
    const now = Date.now();
    if (reason !== this.#lastReason || now - this.#loggedAt >= REPEAT_LOG_MS) {
      this.#lastReason = reason;
      this.#loggedAt = now;
      this.options.log.warn(
        `volume ${this.name}: not connected: ${reason}; trying again in ${wait / 1000} s, then every ${LAST_RETRY_MS / 1000} s`,
      );
    }
    this.#retry = setTimeout(() => void this.#attempt(), wait);
    this.#verdict();
  }
}

export type ConnectOnceResult =
  | { readonly ok: true; readonly ms: number; readonly server: string }
  | { readonly ok: false; readonly ms: number; readonly code: string; readonly message: string };

let shared: Native | null = null;

/**
 * Connects a volume once, for `gfserve check --connect`. The connection stays open until the process ends: leave it by
 * `leave`, for libgfapi's threads make a normal exit unsafe.
 */
export async function connectOnce(
  config: VolumeConfig,
  options: { readonly deadlineMs: number },
): Promise<ConnectOnceResult> {
  shared ??= new Native();
  const nothing = (): void => undefined;
  const connector = new Connector(
    config,
    {
      native: shared,
      log: { debug: nothing, info: nothing },
      maxQueue: 1,
      handles: handleCapacity(0, 1),
      timeoutMs: options.deadlineMs,
    },
    { heard: nothing, settled: nothing },
  );
  const result = await connector.connect();
  connector.close();
  if (result.ok) return { ok: true, ms: Math.round(result.ms), server: result.server };
  return { ok: false, ms: Math.round(result.ms), code: 'GFS_VOLUME_DOWN', message: result.reason };
}

/** Ends the process at once if libgfapi was used, with its threads still there; else returns `status`. */
export function leave(status: number): number {
  return shared === null ? status : shared.exitNow(status);
}
