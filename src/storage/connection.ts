/** One connected volume: its storage, and a watch over whether it answers. Lives until it is closed, or replaced by another. */
import type { Deadlines } from './deadlines.js';
import { GlusterStorage, type Signs } from './gluster.js';
import { type Brick, Health, type Verdict } from './health.js';
import { type Completion, type Native, Status } from './native.js';
import type { StorageEvent } from './storage.js';

const TICK_MS = 250;
/** With a tick of the timer well below a second, for which a brick's loss may go unnoticed. */
const WATCH_MS = 500;
/** How often a volume that is down is asked. */
const PROBE_MS = 1_000;
/** One that hangs is followed by another after this long, up to MAX_PROBES. */
const PROBE_HANGS_MS = 30_000;
const MAX_PROBES = 3;

export interface ConnectionOptions {
  readonly native: Native;
  readonly deadlines: Deadlines;
  readonly threads: number;
  readonly requestTimeoutMs: number;
}

export interface ConnectionEvents {
  /** Whenever the signs may say something else than before. */
  verdict(verdict: Verdict): void;
  /** The volume has another layout than before: what was held of it is looked up anew. */
  layoutChanged(): void;
  /** The new layout can't be served right over this connection. */
  mustReconnect(): void;
  /** What Storage.watch tells. */
  said(event: StorageEvent): void;
}

export class Connection implements Signs {
  readonly storage: GlusterStorage;
  readonly #health: Health;
  readonly #timer: NodeJS.Timeout;
  #spare = 0;
  #watching = false;
  #watchedMs = 0;
  #probes = 0;
  #probedMs = 0;
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
    this.storage = new GlusterStorage(options.native, volume, options.deadlines, this);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    options.native.listen(volume, (event) => this.#said(event));
    this.#watch();
  }

  get bricks(): readonly Brick[] {
    return this.#health.bricks;
  }

  stats(): Record<string, number> {
    return { ...this.options.native.stats(this.volume, this.options.requestTimeoutMs) };
  }

  /** Nothing is under way, and no file is open. */
  isIdle(): boolean {
    const stats = this.options.native.stats(this.volume, this.options.requestTimeoutMs);
    return stats === null || (stats.openFiles === 0 && stats.busy === 0 && stats.queued === 0);
  }

  /** What is under way is answered; what comes later is refused. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.options.native.close(this.volume);
  }

  answered(): void {
    const { silent } = this.#health;
    this.#health.answered(performance.now());
    if (silent) this.#judge();
  }

  disconnected(): void {
    this.#watch();
  }

  hidesFiles(): boolean {
    return this.#health.hidesFiles(performance.now());
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
    this.#judge();
  }

  /** Asks libgfapi for what it knows by itself. One at a time: it may hang as everything else. */
  #watch(): void {
    if (this.#watching || this.#closed) return;
    this.#watching = true;
    this.#watchedMs = performance.now();
    const token = this.options.native.watch(this.volume, (completion) => {
      this.#watching = false;
      if (completion.chunk) this.#watched(completion.chunk.bytes);
      completion.chunk?.release();
    });
    if (token < 0) this.#watching = false;
  }

  #watched(bytes: Uint8Array): void {
    const [first = '', ...lines] = Buffer.from(bytes).toString('utf8').split('\n');
    const bricks = lines
      .filter((line) => line !== '')
      .map((line) => {
        const [xlator = '', host = '', path = '', connected, group = '', needed] = line.split('\t');
        return {
          xlator,
          text: `${host}:${path}`,
          connected: connected === '1',
          group,
          needed: Number(needed),
        };
      });
    this.#health.bricksSeen(bricks, performance.now());
    this.#compare(bricks);
    if (first.startsWith('1')) {
      this.#said({ kind: 'lost' });
      this.events.layoutChanged();
    }
    if (first.endsWith('1')) this.events.mustReconnect();
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
