/** Compresses what is in memory, off the event loop: in libuv's pool, a little at a time. */
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Compression } from '../storage.js';

/** At once. The pool has four threads, and others need it too. */
const AT_ONCE = 2;
/** That may wait. Of files of 2 MiB these are about two seconds' work. */
const MOST_WAITING = 64;
/** What is not smaller than this share of the original is not worth the client's work. */
const WORTH = 0.95;
/** As nginx's and Caddy's users have it for answers that are made once: most of what the highest levels gain, at a tenth of their time. */
const BROTLI_QUALITY = 5;
const GZIP_LEVEL = 6;
const OUTPUT_PIECE = 64 * 1024;

/** `too-large`: it would hardly be smaller than the original. `busy`: it can't be tried now. */
export type Compressed = Uint8Array | 'too-large' | 'busy';

interface Job {
  readonly encoding: Compression;
  readonly bytes: Uint8Array;
  readonly done: (result: Compressed) => void;
}

export class Compressor {
  readonly #waiting = new Set<Job>();
  #running = 0;
  #made = 0;
  #refused = 0;

  /** `most`: how many may wait. */
  constructor(private readonly most = MOST_WAITING) {}

  /** How many were compressed, whatever became of them. */
  get made(): number {
    return this.#made;
  }

  /** How many were not, as too many waited. */
  get refused(): number {
    return this.#refused;
  }

  get pending(): number {
    return this.#running + this.#waiting.size;
  }

  /**
   * `bytes` must not change until `done`, which is never called from inside this call. What is returned takes it back if it
   * still waits, and says whether it did; then `done` is not called.
   */
  compress(
    encoding: Compression,
    bytes: Uint8Array,
    done: (result: Compressed) => void,
  ): () => boolean {
    const job: Job = { encoding, bytes, done };
    if (this.#running < AT_ONCE) {
      this.#run(job);
    } else if (this.#waiting.size < this.most) {
      this.#waiting.add(job);
    } else {
      this.#refused += 1;
      queueMicrotask(() => done('busy'));
    }
    return () => this.#waiting.delete(job);
  }

  #run({ encoding, bytes, done }: Job): void {
    this.#running += 1;
    const finish = (error: Error | null, result: Uint8Array): void => {
      this.#running -= 1;
      this.#made += 1;
      const [next] = this.#waiting;
      if (next) {
        this.#waiting.delete(next);
        this.#run(next);
      }
      done(error ? failureOf(error) : result);
    };
    // Whatever grows beyond that is given up at once.
    const limits = {
      maxOutputLength: Math.max(1, Math.floor(bytes.length * WORTH)),
      chunkSize: OUTPUT_PIECE,
    };
    if (encoding === 'gzip') {
      gzip(bytes, { ...limits, level: GZIP_LEVEL }, finish);
      return;
    }
    const params = {
      [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    };
    brotliCompress(bytes, { ...limits, params }, finish);
  }
}

function failureOf(error: Error): 'too-large' | 'busy' {
  return 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE' ? 'too-large' : 'busy';
}
