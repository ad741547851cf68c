/** A cache in front of a volume that is none. */
import { CachedStorage } from '../../src/storage/cache/cached_storage.js';
import { Compressor } from '../../src/storage/cache/compressor.js';
import { Memory } from '../../src/storage/cache/memory.js';
import type { CacheOptions } from '../../src/storage/cache/options.js';
import type { OpenRequest, OpenResult } from '../../src/storage/storage.js';
import { FakeVolume } from './fake_volume.js';

export const MIB = 1024 * 1024;

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

/** `budget` in bytes; `most`: compressions that may wait. */
export function cacheOnVolume(
  changes: Partial<CacheOptions> = {},
  budget = 16 * MIB,
  most?: number,
) {
  const volume = new FakeVolume();
  const memory = new Memory(budget);
  const compressor = new Compressor(most);
  const options: CacheOptions = {
    maxObjectBytes: 2 * MIB,
    validMs: 60_000,
    negativeMs: 60_000,
    staleIfErrorMs: 60_000,
    requestTimeoutMs: 500,
    invalidate: true,
    log: quiet,
    compressor,
    ...changes,
  };
  return { volume, memory, compressor, cache: new CachedStorage(volume, memory, options) };
}

/** For the file's bytes from the first on. */
export const requestFor = (path: string, changes: Partial<OpenRequest> = {}): OpenRequest => ({
  root: 0,
  candidates: [path],
  body: true,
  listing: false,
  from: 0,
  ...changes,
});

export const open = (cache: CachedStorage, wanted: OpenRequest): Promise<OpenResult> =>
  new Promise((resolve) => {
    cache.open(wanted, resolve);
  });

/** Status, body and how it came about; gives back what came. */
export function told(result: OpenResult): string {
  if (!result.ok) return `${result.code} ${result.cache?.outcome ?? '-'}`;
  const text = result.chunk ? Buffer.from(result.chunk.bytes).toString().slice(0, 40) : '';
  result.chunk?.release();
  result.file?.release();
  result.folder?.release();
  return `${result.stat.type} ${text} ${result.cache?.outcome ?? '-'}`;
}

export const get = async (
  cache: CachedStorage,
  path: string,
  changes: Partial<OpenRequest> = {},
): Promise<string> => told(await open(cache, requestFor(path, changes)));
