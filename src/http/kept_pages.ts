/**
 * The error pages of 503 and 504. When they are needed the volume can't be asked for them, so each worker keeps a copy in
 * memory, which it renews now and then.
 */
import type { Mount } from './route.js';

const STATUSES = [503, 504];
const RENEW_MS = 30_000;
/** After a failure, such as at start. */
const RETRY_MS = 2_000;

/** A copy. Pages over 256 KiB, the size up to which a file comes whole with its open job, are not kept. */
export interface KeptPage {
  /** Relative to the mount's root. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export class KeptPages {
  readonly #pages = new Map<Mount, Map<string, Uint8Array>>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #closed = false;

  constructor(private readonly mounts: readonly Mount[]) {}

  /** Begins to read them, and to renew what was read. */
  start(): void {
    for (const mount of this.mounts) {
      const names = new Set(STATUSES.map((status) => mount.errorPages.get(status)));
      for (const name of names) if (name !== undefined) this.#read(mount, name);
    }
  }

  stop(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** Whether pages of this status have to come from here. */
  keeps(status: number): boolean {
    return STATUSES.includes(status);
  }

  find(mount: Mount, status: number): KeptPage | null {
    const name = mount.errorPages.get(status);
    const bytes = name === undefined ? undefined : this.#pages.get(mount)?.get(name);
    return name === undefined || bytes === undefined ? null : { name, bytes };
  }

  #read(mount: Mount, name: string): void {
    const request = { root: mount.root, candidates: [name], body: true, listing: false, from: 0 };
    mount.storage.open(request, (result) => {
      const pages = this.#pages.get(mount) ?? new Map<string, Uint8Array>();
      this.#pages.set(mount, pages);
      if (result.ok) {
        const whole = result.stat.type === 'file' && !result.file && result.chunk;
        if (whole) pages.set(name, Uint8Array.from(whole.bytes));
        else pages.delete(name);
        result.chunk?.release();
        result.file?.release();
      } else if (result.code === 'not-found' || result.code === 'forbidden') {
        pages.delete(name);
      }
      this.#again(() => this.#read(mount, name), result.ok ? RENEW_MS : RETRY_MS);
    });
  }

  #again(read: () => void, ms: number): void {
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      read();
    }, ms);
    this.#timers.add(timer);
  }
}
