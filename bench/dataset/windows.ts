/** Hashes of a file's windows, taken while it is written. */
import { createHash, type Hash } from 'node:crypto';
import type { FilePart } from './parts.js';

export const WINDOW = 1024 * 1024;
/** Where the first one begins: players don't ask at round offsets. */
export const WINDOW_SHIFT = 300_001;

/** Takes a file in blocks of `WINDOW` bytes and gives the windows, each of which spans two blocks. */
export class Windows {
  readonly #parts: FilePart[] = [];
  #hash: Hash | null = null;
  #from = WINDOW_SHIFT;

  /** The file's next `WINDOW` bytes. */
  take(block: Buffer): void {
    if (this.#hash !== null) {
      const sha256 = this.#hash.update(block.subarray(0, WINDOW_SHIFT)).digest('hex');
      this.#parts.push({ from: this.#from, size: WINDOW, sha256 });
      this.#from += WINDOW;
    }
    this.#hash = createHash('sha256').update(block.subarray(WINDOW_SHIFT));
  }

  get parts(): readonly FilePart[] {
    return this.#parts;
  }
}
