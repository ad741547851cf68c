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
/**
 * A new graph takes the former one's place when its bricks are connected; until then calls go through the former one. What
 * has not been connected by then is gone.
 */
const CONNECTING_MS = 10_000;
/** What has been gone for longer will not be back within the time that a request can wait. */
const PASSING_MS = 5_000;

/** A graph of libgfapi's: the layout as it was read at one time, with connections of its own. */
interface Graph {
  readonly name: string;
  readonly sinceMs: number;
  /** The client xlators that have been connected in it. */
  readonly reached: Set<string>;
  /** `text` of those that were gone before it came. */
  readonly missed: ReadonlySet<string>;
  bricks: readonly Brick[];
}

function differ(a: readonly Brick[], b: readonly Brick[]): boolean {
  const texts = (bricks: readonly Brick[]): string =>
    bricks.map(({ xlator, text, connected }) => `${xlator} ${text} ${connected}`).join('\n');
  return texts(a) !== texts(b);
}

const isUp = ({ reached }: Graph): boolean => reached.size > 0;

export class Health {
  #lastAnswerMs = Number.NEGATIVE_INFINITY;
  /** When the oldest request was made that passed its deadline without any answer since. */
  #silentSinceMs: number | null = null;
  #stuck = 0;
  #newest: Graph = {
    name: '',
    sinceMs: Number.NEGATIVE_INFINITY,
    reached: new Set(),
    missed: new Set(),
    bricks: [],
  };
  /** The one before, while none of the newest one's bricks has been connected. */
  #former: Graph | null = null;
  #lostAtMs = Number.NEGATIVE_INFINITY;
  /** When the bricks were last seen to be others, or one of them to come or go. */
  #changedMs = Number.NEGATIVE_INFINITY;
  /** Since when the volume has been known to have other bricks than these. */
  #outdatedMs: number | null = null;

  /** `threads`: how many there are at most, with the spare ones. */
  constructor(private readonly threads: number) {}

  /** Of the newest graph. */
  get bricks(): readonly Brick[] {
    return this.#newest.bricks;
  }

  /** Whether it waits for an answer to believe in the volume again. */
  get silent(): boolean {
    return this.#silentSinceMs !== null;
  }

  /** Whether a file can seem not to be there although its bricks are: not where all bricks have the same files. */
  get spreadsFiles(): boolean {
    if (this.#outdatedMs !== null) return true;
    const [first, ...others] = [...this.bricks, ...(this.#former?.bricks ?? [])];
    if (first === undefined) return true;
    return first.needed > 1 || others.some(({ group }) => group !== first.group);
  }

  /** Whether some files can't be found at present: what is missing may be there, and a folder may have more entries. */
  hidesFiles(nowMs: number): boolean {
    return nowMs - this.#lostAtMs < SETTLE_MS || this.#isOutdated(nowMs);
  }

  /** Whether what failed just now, in a call that began at `sinceMs`, may soon be right: the volume is changing. */
  isPassing(sinceMs: number, nowMs: number): boolean {
    if (this.verdict(nowMs).state === 'down') return false;
    const changed = this.#changedMs >= sinceMs || nowMs - this.#changedMs < PASSING_MS;
    return changed || this.#former !== null || this.#isOutdated(nowMs);
  }

  /** It has come by another layout than before, just now: what fails may soon be right. */
  changed(nowMs: number): void {
    this.#changedMs = nowMs;
  }

  /**
   * Whether the volume is known to have other bricks than these: what is not found may be on one of those. A connection to them
   * takes this one's place soon, or can't be had.
   */
  outdated(isOutdated: boolean, nowMs: number): void {
    this.#outdatedMs = isOutdated ? (this.#outdatedMs ?? nowMs) : null;
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

  /**
   * What libgfapi says of the newest graph and its connections. When the first comes back, it still has to answer
   * something.
   * @returns whether it is another graph than before
   */
  bricksSeen(bricks: readonly Brick[], nowMs: number, graph = ''): boolean {
    const before = this.#counted(nowMs);
    const none = before.length > 0 && before.every(({ connected }) => !connected);
    const was = this.#newest;
    const isFirst = was.bricks.length === 0;
    const isOther = !isFirst && graph !== was.name;
    if (isFirst || isOther) {
      const sinceMs = isFirst ? Number.NEGATIVE_INFINITY : nowMs;
      // Two changes in a row: what is in use is still the last one that came up.
      if (isOther && (isUp(was) || this.#former === null)) this.#former = was;
      const missed = new Set(before.filter(({ connected }) => !connected).map(({ text }) => text));
      this.#newest = { name: graph, sinceMs, reached: new Set(), missed, bricks };
    }
    if (isOther || (!isFirst && differ(was.bricks, bricks))) this.#changedMs = nowMs;
    this.#newest.bricks = bricks;
    for (const { xlator, connected } of bricks) if (connected) this.#newest.reached.add(xlator);
    if (isUp(this.#newest) || this.#isLate(nowMs)) this.#former = null;
    if (lostGroups(bricks).length > 0) this.#lostAtMs = nowMs;
    const now = this.#counted(nowMs);
    if (none && now.some(({ connected }) => connected)) this.#silentSinceMs = nowMs;
    return isOther;
  }

  verdict(nowMs: number): Verdict {
    const bricks = this.#counted(nowMs);
    const gone = bricks.filter(({ connected }) => !connected);
    if (gone.length > 0 && gone.length === bricks.length) {
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
      const lost = lostGroups(bricks);
      if (lost.length > 0) {
        const files = `the files of ${lost.join(', ')} are out of reach`;
        reasons.push(`${files}, and what is not found answers 503`);
      }
      reasons.push(`${gone.length} of ${bricks.length} bricks not connected: ${names(gone)}`);
    }
    if (this.#stuck > 0) {
      reasons.push(
        `${this.#stuck} ${this.#stuck === 1 ? 'thread hangs' : 'threads hang'} in libgfapi`,
      );
    }
    return reasons.length === 0 ? HEALTHY : { state: 'degraded', reason: reasons.join('; ') };
  }

  #isOutdated(nowMs: number): boolean {
    return this.#outdatedMs !== null && nowMs - this.#outdatedMs < CONNECTING_MS;
  }

  #isLate(nowMs: number): boolean {
    return nowMs - this.#newest.sinceMs >= CONNECTING_MS;
  }

  /** The bricks that say whether the volume is there. Those that a new graph is still connecting to say nothing. */
  #counted(nowMs: number): readonly Brick[] {
    const { bricks, reached, missed } = this.#newest;
    if (this.#isLate(nowMs)) return bricks;
    if (this.#former !== null) return this.#former.bricks;
    return bricks.filter(
      ({ connected, xlator, text }) => connected || reached.has(xlator) || missed.has(text),
    );
  }
}
