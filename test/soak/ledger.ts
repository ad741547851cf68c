/** What each file was, and when: which answers may be given. Times are of performance.now(). */
import { sha256 } from '../support/client.js';
import { contentOf } from './content.js';

export type Kind =
  | 'static'
  | 'replaced'
  | 'overwritten'
  | 'rewritten'
  | 'truncated'
  | 'removed'
  | 'moved';

/** A file, or its absence, for a while. */
export interface State {
  /** null: there was none. */
  readonly content: {
    readonly version: number;
    readonly size: number;
    readonly sha256: string;
  } | null;
  /** When the change that made it began. */
  readonly from: number;
  /** When a later change had surely been made; null: it may still be so. */
  until: number | null;
}

export class SoakFile {
  readonly states: State[] = [];
  #version = 0;
  /** So many of the first states may be so for ever. */
  #doubtful = 0;

  /**
   * @param path inside the volume, without a slash at its beginning
   * @param name what its content says it is
   */
  constructor(
    readonly path: string,
    readonly name: string,
    readonly kind: Kind,
    readonly size: number,
  ) {}

  get current(): State | null {
    return this.states.at(-1) ?? null;
  }

  nextVersion(): number {
    this.#version += 1;
    return this.#version;
  }

  /** Notes that it may be so from now on. */
  maybe(version: number | null, size = this.size): void {
    const content =
      version === null
        ? null
        : { version, size, sha256: sha256(contentOf(this.name, version, size)) };
    this.states.push({ content, from: performance.now(), until: null });
  }

  /**
   * The last one is so: none of those before is any more.
   * @param doubtful bricks were gone meanwhile: a distributed volume may then keep the old file on one of them beside the
   *   new one on another, under one name, and clients find the one or the other
   */
  settled(doubtful: boolean): void {
    if (doubtful) this.#doubtful = this.states.length;
    const now = performance.now();
    for (const state of this.states.slice(this.#doubtful, -1)) state.until ??= now;
    // Long gone ones only make the search slow.
    while (this.states.length > 200) {
      this.states.shift();
      this.#doubtful = Math.max(0, this.#doubtful - 1);
    }
  }

  /** What it may have been between two times, the later ones first. */
  during(start: number, end: number): readonly State[] {
    return this.states
      .filter(({ from, until }) => from <= end && (until === null || until >= start))
      .reverse();
  }
}
