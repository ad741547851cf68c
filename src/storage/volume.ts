/**
 * One volume's life in a worker: it connects, tries again with backoff until it succeeds, and answers at once while there
 * is no connection. Once connected, libgfapi reconnects to bricks and daemons by itself.
 */
import type { VolumeConfig } from '../config/types.js';
import type { Logger } from '../observe/log.js';
import { type Abandoned, attemptConnect } from './connect.js';
import { Deadlines } from './deadlines.js';
import { GlusterStorage } from './gluster.js';
import { Native } from './native.js';
import type { Cancel, OpenRequest, OpenResult, RootId, Storage, SymlinkPolicy } from './storage.js';

/**
 * For libgfapi's part alone. A healthy cluster needs some 50 ms; but while the host of one replica hangs, the replicate
 * xlator waits 10 s for it (__afr_launch_notification_timer) before it goes on with the others, and a volume without
 * invalidations is initialised twice (Volume::Init).
 */
const CONNECT_TIMEOUT_MS = 30_000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 4_000;
/** libgfapi cannot be interrupted: so many stuck attempts are left behind before no new one is made. */
const MAX_ABANDONED = 3;
/** The same failure is logged again after this long. */
const REPEAT_LOG_MS = 60_000;

export type VolumeState = 'connecting' | 'healthy' | 'closed';

export interface VolumeOptions {
  readonly native: Native;
  readonly log: Logger;
  readonly maxQueue: number;
  readonly requestTimeoutMs: number;
}

export class Volume implements Storage {
  readonly name: string;
  readonly #deadlines: Deadlines;
  readonly #abandoned: Abandoned = { pending: 0 };
  readonly #avoid = new Set<string>();
  readonly #firstVerdict: Promise<void>;
  #verdict: () => void = () => undefined;
  #state: VolumeState = 'connecting';
  #since = Date.now();
  #server: string | null = null;
  #volume: number | null = null;
  #gluster: GlusterStorage | null = null;
  #retry: NodeJS.Timeout | null = null;
  #retryMs = FIRST_RETRY_MS;
  #lastReason = '';
  #loggedAt = 0;

  constructor(
    private readonly config: VolumeConfig,
    private readonly options: VolumeOptions,
  ) {
    this.name = config.name;
    this.#deadlines = new Deadlines(options.requestTimeoutMs);
    this.#firstVerdict = new Promise((resolve) => {
      this.#verdict = resolve;
    });
  }

  /** Begins to connect. Resolves when the first attempt has succeeded or failed; the next ones go on by themselves. */
  start(): Promise<void> {
    void this.#attempt();
    return this.#firstVerdict;
  }

  status(): {
    state: VolumeState;
    server: string | null;
    since: number;
    native: Record<string, number>;
  } {
    const stats = this.#volume === null ? null : this.options.native.stats(this.#volume);
    return { state: this.#state, server: this.#server, since: this.#since, native: { ...stats } };
  }

  root(path: string, symlinks: SymlinkPolicy): RootId {
    return this.options.native.addRoot(path, symlinks);
  }

  open(request: OpenRequest, done: (result: OpenResult) => void): Cancel {
    if (this.#gluster) return this.#gluster.open(request, done);
    let cancelled = false;
    const code = this.#state === 'closed' ? 'down' : 'connecting';
    queueMicrotask(() => {
      if (!cancelled) done({ ok: false, code, errno: 0 });
    });
    return () => {
      cancelled = true;
    };
  }

  /** Lets go of the volume in the background. What is under way is answered; what comes later is refused. */
  close(): void {
    if (this.#retry) clearTimeout(this.#retry);
    if (this.#volume !== null) this.options.native.close(this.#volume);
    this.#gluster = null;
    this.#volume = null;
    this.#enter('closed');
  }

  #enter(state: VolumeState): void {
    this.#state = state;
    this.#since = Date.now();
  }

  async #attempt(): Promise<void> {
    this.#retry = null;
    const { native, log, maxQueue } = this.options;
    if (this.#abandoned.pending >= MAX_ABANDONED) {
      this.#failed(
        `${this.#abandoned.pending} attempts hang inside libgfapi; waiting for one of them to end`,
      );
      return;
    }
    const result = await attemptConnect(this.config, {
      native,
      maxQueue,
      timeoutMs: CONNECT_TIMEOUT_MS,
      abandoned: this.#abandoned,
      avoid: this.#avoid,
    });
    if (this.#state === 'closed') {
      if (result.ok) native.close(result.volume);
      return;
    }
    if (!result.ok) {
      if (result.stuck !== undefined) this.#avoidServer(result.stuck);
      this.#failed(result.reason);
      return;
    }
    this.#volume = result.volume;
    this.#server = result.server;
    this.#gluster = new GlusterStorage(native, result.volume, this.#deadlines);
    this.#enter('healthy');
    log.info(
      `volume ${this.name}: connected through ${result.server} in ${Math.round(result.ms)} ms`,
    );
    this.#verdict();
  }

  /** Tries this one last from now on, until each has had its turn. */
  #avoidServer(server: string): void {
    this.#avoid.add(server);
    if (this.#avoid.size >= this.config.servers.length) this.#avoid.clear();
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
  const result = await attemptConnect(config, {
    native: shared,
    maxQueue: 1,
    timeoutMs: options.deadlineMs,
    abandoned: { pending: 0 },
    avoid: new Set(),
  });
  if (result.ok) return { ok: true, ms: Math.round(result.ms), server: result.server };
  return { ok: false, ms: Math.round(result.ms), code: 'GFS_VOLUME_DOWN', message: result.reason };
}

/** Ends the process at once if libgfapi was used, with its threads still there; else returns `status`. */
export function leave(status: number): number {
  return shared === null ? status : shared.exitNow(status);
}
