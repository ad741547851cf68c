/**
 * What was said to have changed, and when: for each object that something in the cache rests on. Time is a counter of what
 * was said, so that "changed since" is one comparison.
 */

import type { Epoch } from './epoch.js';

/** One object: a file, or a folder or link on the way to one. */
export class Watch {
  references = 0;
  /** When `changedAt` was noted, in whole milliseconds of performance.now(). */
  changedMs = Math.floor(performance.now());

  constructor(
    readonly gfid: string,
    /** The counter when it was last said to have changed; 0: never. */
    public changedAt: number,
  ) {}
}

/** A look at the volume that is under way: what is said meanwhile concerns what it will find. */
export interface Look {
  /** The counter when it began. */
  readonly at: number;
}

/** For so long a look is believed in any case. By then libgfapi does not take a name for known (PathWalk::kBelievedStirred). */
const STIRRED_MS = 300;

/** So much is kept of what was said of objects that nothing rests on yet, before it is tidied. */
const RECENT = 4096;

export class Watches {
  readonly #all = new Map<string, Watch>();
  /** In the order of their beginning. */
  readonly #looks = new Set<Look>();
  /** Said while somebody looks, of objects that nothing rests on yet. */
  readonly #recent = new Map<string, number>();
  #counter = 1;
  #lostAt = 0;

  /** `epoch`: goes on when something has changed that something in the cache rests on. */
  constructor(private readonly epoch: Epoch) {}

  /** Grows with whatever is said: as long as it stands still, nothing has changed. */
  get counter(): number {
    return this.#counter;
  }

  get count(): number {
    return this.#all.size;
  }

  /** To be ended by `end`, whatever becomes of it. */
  begin(): Look {
    const look = { at: this.#counter };
    this.#looks.add(look);
    return look;
  }

  end(look: Look): void {
    this.#looks.delete(look);
    if (this.#looks.size === 0) this.#recent.clear();
  }

  /** To be given back by `release`. */
  acquire(gfid: string): Watch {
    let watch = this.#all.get(gfid);
    if (!watch) {
      watch = new Watch(gfid, this.#recent.get(gfid) ?? 0);
      this.#all.set(gfid, watch);
    }
    watch.references += 1;
    return watch;
  }

  release(watch: Watch): void {
    watch.references -= 1;
    if (watch.references > 0) return;
    this.#all.delete(watch.gfid);
    // Who looks now may come to rest on it.
    if (this.#looks.size > 0 && watch.changedAt > 0) this.#recent.set(watch.gfid, watch.changedAt);
  }

  /** @returns whether anything rests on it */
  changed(gfid: string): boolean {
    this.#counter += 1;
    const watch = this.#all.get(gfid);
    if (watch) {
      watch.changedAt = this.#counter;
      watch.changedMs = Math.floor(performance.now());
      this.epoch.next();
    } else if (this.#looks.size > 0) this.#note(gfid);
    return watch !== undefined;
  }

  /** Anything may have changed. */
  lost(): void {
    this.#counter += 1;
    this.#lostAt = this.#counter;
    this.epoch.next();
  }

  /** Whether any of them may have changed since. */
  changedSince(watches: readonly Watch[], at: number): boolean {
    if (this.#lostAt > at) return true;
    for (const watch of watches) if (watch.changedAt > at) return true;
    return false;
  }

  /**
   * For how many milliseconds a look may be believed that began at `nowMs` and rests on these folders, as not all that
   * happens in a folder is told: as long as nothing had been said of any of them.
   */
  believableMs(folders: readonly Watch[], nowMs: number): number {
    let quietMs = Infinity;
    for (const { changedAt, changedMs } of folders)
      if (changedAt > 0) quietMs = Math.min(quietMs, nowMs - changedMs);
    return Math.max(STIRRED_MS, quietMs);
  }

  #note(gfid: string): void {
    this.#recent.set(gfid, this.#counter);
    if (this.#recent.size <= RECENT) return;
    const [oldest] = this.#looks;
    const since = oldest?.at ?? this.#counter;
    for (const [each, at] of this.#recent) if (at <= since) this.#recent.delete(each);
    // Too much was said while somebody looks: then all that is found may have changed already.
    if (this.#recent.size > RECENT) {
      this.#recent.clear();
      this.lost();
    }
  }
}
