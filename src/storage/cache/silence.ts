/** Changes that a look found and that the volume had not said a word of: its options do not make it, or its words get lost. */
import type { Logger } from '../../observe/log.js';
import type { Watch, Watches } from './watches.js';

/** A brick's word may come a little after the change is seen. */
const LATE_MS = 1_000;

export class Silence {
  #count = 0;
  #logged = false;
  #waiting = false;

  constructor(
    private readonly volume: string,
    private readonly log: Logger,
  ) {}

  get count(): number {
    return this.#count;
  }

  /** What rested on these was seen to have changed since. One case at a time is looked into. */
  suspect(rested: readonly Watch[], at: number, watches: Watches): void {
    if (this.#waiting || rested.length === 0 || watches.changedSince(rested, at)) return;
    this.#waiting = true;
    const held = rested.map(({ gfid }) => watches.acquire(gfid));
    setTimeout(() => {
      this.#waiting = false;
      if (!watches.changedSince(held, at)) this.#unsaid();
      for (const watch of held) watches.release(watch);
    }, LATE_MS).unref();
  }

  #unsaid(): void {
    this.#count += 1;
    if (this.#logged) return;
    this.#logged = true;
    this.log.warn(
      `volume ${this.volume}: a file had changed and the volume did not say so: changes are seen when valid is over. To see them at once, run: gluster volume set ${this.volume} group metadata-cache; or set invalidate = off to be silent about it`,
    );
  }
}
