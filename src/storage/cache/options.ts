/** What a cache is told, and what it tells of itself. */
import type { Logger } from '../../observe/log.js';
import type { Compressor } from './compressor.js';

export interface CacheOptions {
  readonly maxObjectBytes: number;
  readonly validMs: number;
  readonly negativeMs: number;
  readonly staleIfErrorMs: number;
  readonly requestTimeoutMs: number;
  /** Whether what the volume says of changes counts. */
  readonly invalidate: boolean;
  /** Of all volumes together. */
  readonly compressor: Compressor;
  readonly log: Logger;
}

export interface CacheStats {
  readonly entries: number;
  readonly hits: number;
  readonly misses: number;
  /** Looks that showed that nothing had changed. */
  readonly revalidated: number;
  /** Answers that were given although the volume could not be asked. */
  readonly stale: number;
  /** Said by the volume of what is in the cache. */
  readonly invalidations: number;
  /** Found by a look, without the volume having said a word. */
  readonly unannounced: number;
}
