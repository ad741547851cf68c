/**
 * When a worker is to be renewed. Of each connection that has ended libgfapi keeps memory that nothing gives back but the end of the
 * process: 46 KiB to 0.4 MiB of one that was quiet, up to some 2 MiB of one under which bricks were lost (GlusterFS 10.3).
 */

/** What an ended connection is taken to leave; bytes. */
const LEFT_BYTES = 2 * 1024 * 1024;
/** What a worker holds without a cache; bytes. */
const BARE_BYTES = 128 * 1024 * 1024;
/** The share of a worker's memory that may be lost so. */
const SHARE = 0.05;
/** A worker is renewed at an age of so much at the soonest: milliseconds. */
const YOUNGEST_MS = 60_000;
/**
 * All volumes that were ever connected have been healthy for so long, so that a successor can be expected to find them so too. Copies of
 * files of a volume that is down are not given up.
 */
const CALM_MS = 10_000;
const CALM: ReadonlySet<string> = new Set(['healthy', 'connecting']);
/** It says so again after this long, where nothing has come of it. */
const AGAIN_MS = 300_000;

interface VolumeState {
  readonly state: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

/** How many connections may have ended in a worker with a cache of so many bytes; 4 without one. */
export const mostEnded = (cacheBytes: number): number =>
  Math.ceil((SHARE * (BARE_BYTES + cacheBytes)) / LEFT_BYTES);

export class Wear {
  readonly #bornMs: number;
  readonly #most: number;
  #saidMs = Number.NEGATIVE_INFINITY;

  /** `now`: milliseconds since 1970. */
  constructor(
    cacheBytes: number,
    private readonly now: () => number = Date.now,
  ) {
    this.#most = mostEnded(cacheBytes);
    this.#bornMs = now();
  }

  /** Whether it is time to ask for the renewal; true once, and then again each five minutes. */
  isDue(ended: number, volumes: readonly VolumeState[]): boolean {
    const nowMs = this.now();
    if (ended < this.#most || nowMs - this.#bornMs < YOUNGEST_MS) return false;
    if (nowMs - this.#saidMs < AGAIN_MS) return false;
    const isCalm = volumes.every(({ state, since }) => CALM.has(state) && nowMs - since >= CALM_MS);
    if (!isCalm) return false;
    this.#saidMs = nowMs;
    return true;
  }
}
