/** One connected volume: its storage, and a watch over whether it answers. Lives until it is closed, or replaced by another. */
import type { JobKind, VolumeCounters } from '../observe/volume_counters.js';
import type { Deadlines } from './deadlines.js';
import { GlusterStorage, type Signs } from './gluster.js';
import { type Brick, Health, type Verdict } from './health.js';
import { type Completion, type Native, Status } from './native.js';
import type { Cancel, StorageError, StorageEvent } from './storage.js';
import { parseWatch } from './watch.js';

const TICK_MS = 250;
/** With a tick of the timer well below a second, for which a brick's loss may go unnoticed. */
const WATCH_MS = 500;
/** How often a volume that is down is asked. */
const PROBE_MS = 1_000;
/** How old the layout of the root may be by which a distributed volume's files are found. */
const LAYOUT_MS = 1_000;
/** One that hangs is followed by another after this long, up to MAX_PROBES. */
const PROBE_HANGS_MS = 30_000;
const MAX_PROBES = 3;

export interface ConnectionOptions {
  readonly native: Native;
  readonly deadlines: Deadlines;
  readonly threads: number;
  readonly requestTimeoutMs: number;
  readonly counters: VolumeCounters;
  /** It takes the place of another, as the volume has changed. */
  readonly replaces?: boolean;
}

export interface ConnectionEvents {
  /** Whenever the signs may say something else than before. */
  verdict(verdict: Verdict): void;
  /** The volume has another layout than before: what was held of it is looked up anew. */
  layoutChanged(): void;
  /** The new layout can't be served right over this connection. */
  mustReconnect(): void;
  /** A request was not answered, for what a call came to. */
  failed(error: StorageError): void;
  /** What Storage.watch tells. */
  said(event: StorageEvent): void;
}

export class Connection implements Signs {
  readonly storage: GlusterStorage;
  readonly #health: Health;
  readonly #timer: NodeJS.Timeout;
  #spare = 0;
  #watching = false;
  /** What waits for a watch that begins from now on. */
  #refreshes = new Set<() => void>();
  #watchedMs = 0;
  #switches = 0;
  #switchedMs = 0;
  #probes = 0;
  #probedMs = 0;
  #renewing = false;
  #renewedMs = 0;
  #closed = false;
  /** Which bricks were connected when libgfapi was asked last; '' before. */
  #connected = '';

  /** `volume` is a connected one of `native`. */
  constructor(
    private readonly volume: number,
    private readonly options: ConnectionOptions,
    private readonly events: ConnectionEvents,
  ) {
    // Each thread may be stood in for by one: past that, more would only hang as well.
    this.#health = new Health(options.threads * 2);
    if (options.replaces === true) this.#health.changed(performance.now());
    this.storage = new GlusterStorage(options.native, volume, options.deadlines, this);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    options.native.listen(volume, (event) => this.#said(event));
    this.#watch();
  }

  get bricks(): readonly Brick[] {
    return this.#health.bricks;
  }

  /** How often libgfapi has exchanged its graph: it keeps each of them until the end. */
  get switches(): number {
    return this.#switches;
  }

  /** The layout has been the same for so long. */
  get calmMs(): number {
    return performance.now() - this.#switchedMs;
  }

  stats(): Record<string, number> {
    return { ...this.options.native.stats(this.volume, this.options.requestTimeoutMs) };
  }

  /** Nothing is under way, and no file is open. */
  isIdle(): boolean {
    const stats = this.options.native.stats(this.volume, this.options.requestTimeoutMs);
    if (stats === null) return true;
    return stats.openFiles + stats.busy + stats.queued + this.storage.waiting === 0;
  }

  /** What is under way is answered; what comes later is refused. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.options.native.close(this.volume);
  }

  /** See Health.outdated. */
  outdated(isOutdated: boolean): void {
    this.#health.outdated(isOutdated, performance.now());
  }

  answered(): void {
    const { silent } = this.#health;
    this.#health.answered(performance.now());
    if (silent) this.#judge();
  }

  disconnected(): void {
    this.#watch();
  }

  get spreadsFiles(): boolean {
    return this.#health.spreadsFiles;
  }

  hidesFiles(): boolean {
    return this.#health.hidesFiles(performance.now());
  }

  isPassing(sinceMs: number): boolean {
    return this.#health.isPassing(sinceMs, performance.now());
  }

  refresh(done: () => void): Cancel {
    // A watch that is under way has those already who wait for it.
    let wanted = true;
    const tell = (): void => {
      if (wanted) done();
    };
    this.#refreshes.add(tell);
    queueMicrotask(() => this.#watch());
    return () => {
      wanted = false;
      this.#refreshes.delete(tell);
    };
  }

  took(job: JobKind, ms: number): void {
    this.options.counters.took(job, ms);
  }

  failed(error: StorageError): void {
    this.options.counters.failed(error.code);
    this.events.failed(error);
  }

  overdue(sinceMs: number): void {
    this.#health.overdue(sinceMs);
    this.#watch();
    this.#judge();
  }

  #said(event: StorageEvent): void {
    if (event.kind === 'lost') this.options.native.distrust(this.volume);
    this.events.said(event);
  }

  /** A brick that is not connected tells nothing, and forgets who wants to hear what. */
  #compare(bricks: readonly Brick[]): void {
    const connected = bricks.map((brick) => `${brick.xlator} ${brick.connected}`).join();
    const was = this.#connected;
    this.#connected = connected;
    if (was !== '' && was !== connected) this.#said({ kind: 'lost' });
  }

  #judge(): void {
    if (!this.#closed) this.events.verdict(this.#health.verdict(performance.now()));
  }

  #tick(): void {
    const now = performance.now();
    const { native, threads, requestTimeoutMs } = this.options;
    const stuck = native.stats(this.volume, requestTimeoutMs)?.stuck ?? 0;
    const spare = Math.min(stuck, threads);
    if (spare !== this.#spare) {
      this.#spare = spare;
      native.setSpare(this.volume, spare);
    }
    this.#health.threadsStuck(stuck);
    if (now - this.#watchedMs >= WATCH_MS) this.#watch();
    if (this.#health.silent) this.#probe(now);
    else if (now - this.#renewedMs >= LAYOUT_MS) this.#renewLayout(now);
    this.#judge();
  }

  /** While bricks come and go, files move, and the shares of the names with them. One at a time: it hangs with any brick. */
  #renewLayout(now: number): void {
    if (this.#renewing || this.bricks.length === 0 || !this.spreadsFiles) return;
    this.#renewing = true;
    this.#renewedMs = now;
    const token = this.options.native.renewLayout(this.volume, () => {
      this.#renewing = false;
    });
    if (token < 0) this.#renewing = false;
  }

  /** Asks libgfapi for what it knows by itself. One at a time: it may hang as everything else. */
  #watch(): void {
    if (this.#watching) return;
    const waiting = this.#refreshes;
    this.#refreshes = new Set();
    const end = (): void => {
      this.#watching = false;
      for (const done of waiting) done();
      if (this.#refreshes.size > 0) this.#watch();
    };
    if (this.#closed) {
      end();
      return;
    }
    this.#watching = true;
    this.#watchedMs = performance.now();
    const token = this.options.native.watch(this.volume, (completion) => {
      if (completion.chunk) this.#watched(completion.chunk.bytes);
      completion.chunk?.release();
      end();
    });
    if (token < 0) end();
  }

  #watched(bytes: Uint8Array): void {
    const { changed, reconnect, graph, bricks } = parseWatch(bytes);
    const now = performance.now();
    if (this.#health.bricksSeen(bricks, now, graph)) {
      this.#switches += 1;
      this.#switchedMs = now;
    }
    this.#compare(bricks);
    if (changed) {
      this.#said({ kind: 'lost' });
      this.events.layoutChanged();
    }
    if (reconnect) this.events.mustReconnect();
    this.#judge();
  }

  /** Asks the bricks something that no cache answers. */
  #probe(now: number): void {
    const wait = this.#probes === 0 ? PROBE_MS : PROBE_HANGS_MS;
    if (this.#probes >= MAX_PROBES || now - this.#probedMs < wait) return;
    this.#probes += 1;
    this.#probedMs = now;
    const token = this.options.native.probe(this.volume, ({ status }: Completion) => {
      this.#probes -= 1;
      if (status === Status.ok) this.answered();
    });
    if (token < 0) this.#probes -= 1;
  }
}
