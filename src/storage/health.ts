/**
 * What the signs say of a connected volume: does it answer, and what is it missing? Pure: signs in, verdict out.
 *
 * libgfapi's calls have no time limit and can't be taken back, so a volume that hangs is only known by what does not come.
 * It is down when a deadline has passed and nothing at all was answered since that request was made, or when no thread is
 * left, or when no brick is connected. As long as anything is answered, the others must not suffer for what is not.
 */

export interface Brick {
  /** The client xlator's, such as `site-client-0`. */
  readonly xlator: string;
  /** `host:/path` */
  readonly text: string;
  readonly connected: boolean;
  /** Bricks of one group have the same files; of each group `needed` must be connected. */
  readonly group: string;
  readonly needed: number;
}

export interface Verdict {
  readonly state: 'healthy' | 'degraded' | 'down';
  /** What was seen, as the end of a sentence; '' for healthy. */
  readonly reason: string;
}

const HEALTHY: Verdict = { state: 'healthy', reason: '' };

const list = (bricks: readonly Brick[]): string => bricks.map(({ text }) => text).join(', ');

const SHOWN = 4;

function names(bricks: readonly Brick[]): string {
  const more = bricks.length - SHOWN;
  return more <= 0 ? list(bricks) : `${list(bricks.slice(0, SHOWN))} and ${more} more`;
}

/** Groups with too few bricks connected. */
function lostGroups(bricks: readonly Brick[]): string[] {
  const connected = new Map<string, number>();
  for (const brick of bricks) {
    connected.set(brick.group, (connected.get(brick.group) ?? 0) + Number(brick.connected));
  }
  const needed = new Map(bricks.map((brick) => [brick.group, brick.needed]));
  return [...connected]
    .filter(([group, count]) => count < (needed.get(group) ?? 1))
    .map(([group]) => group);
}

/** A brick that comes back takes a moment to be used again: until then its files still seem not to be there. */
const SETTLE_MS = 2_000;

export class Health {
  #lastAnswerMs = Number.NEGATIVE_INFINITY;
  /** When the oldest request was made that passed its deadline without any answer since. */
  #silentSinceMs: number | null = null;
  #stuck = 0;
  #bricks: readonly Brick[] = [];
  #lostAtMs = Number.NEGATIVE_INFINITY;

  /** `threads`: how many there are at most, with the spare ones. */
  constructor(private readonly threads: number) {}

  get bricks(): readonly Brick[] {
    return this.#bricks;
  }

  /** Whether it waits for an answer to believe in the volume again. */
  get silent(): boolean {
    return this.#silentSinceMs !== null;
  }

  /** Whether some files can't be found at present: what is missing may be there, and a folder may have more entries. */
  hidesFiles(nowMs: number): boolean {
    return nowMs - this.#lostAtMs < SETTLE_MS;
  }

  /** The volume has answered something, if only that there is no such file. */
  answered(nowMs: number): void {
    this.#lastAnswerMs = nowMs;
    this.#silentSinceMs = null;
  }

  /** The deadline of a request that was made at `sinceMs` has passed. */
  overdue(sinceMs: number): void {
    if (sinceMs < this.#lastAnswerMs) return;
    this.#silentSinceMs = Math.min(this.#silentSinceMs ?? sinceMs, sinceMs);
  }

  /** Threads that have been in one call for longer than any request may wait. */
  threadsStuck(count: number): void {
    this.#stuck = count;
  }

  /** What libgfapi says of its connections. When the first comes back, it still has to answer something. */
  bricksSeen(bricks: readonly Brick[], nowMs: number): void {
    const none = this.#bricks.length > 0 && this.#bricks.every(({ connected }) => !connected);
    this.#bricks = bricks;
    if (lostGroups(bricks).length > 0) this.#lostAtMs = nowMs;
    if (none && bricks.some(({ connected }) => connected)) this.#silentSinceMs = nowMs;
  }

  verdict(nowMs: number): Verdict {
    const gone = this.#bricks.filter(({ connected }) => !connected);
    if (gone.length > 0 && gone.length === this.#bricks.length) {
      return { state: 'down', reason: `no brick is connected: ${names(gone)}` };
    }
    if (this.#stuck >= this.threads) {
      return { state: 'down', reason: `all of its ${this.threads} threads hang in libgfapi` };
    }
    if (this.#silentSinceMs !== null) {
      const seconds = Math.round((nowMs - this.#silentSinceMs) / 100) / 10;
      return { state: 'down', reason: `it has answered nothing for ${seconds} s` };
    }
    const reasons: string[] = [];
    if (gone.length > 0) {
      const lost = lostGroups(this.#bricks);
      if (lost.length > 0) {
        const files = `the files of ${lost.join(', ')} are out of reach`;
        reasons.push(`${files}, and what is not found answers 503`);
      }
      reasons.push(`${gone.length} of ${this.#bricks.length} bricks not connected: ${names(gone)}`);
    }
    if (this.#stuck > 0) {
      reasons.push(
        `${this.#stuck} ${this.#stuck === 1 ? 'thread hangs' : 'threads hang'} in libgfapi`,
      );
    }
    return reasons.length === 0 ? HEALTHY : { state: 'degraded', reason: reasons.join('; ') };
  }
}
