/** A process of its own: fills a cache, and prints how much larger it has become, and how much of that was counted. */
import { readFileSync } from 'node:fs';
import { CachedStorage } from '../../src/storage/cache/cached_storage.js';
import { Compressor } from '../../src/storage/cache/compressor.js';
import { Memory } from '../../src/storage/cache/memory.js';
import type { OpenRequest, OpenResult, Storage } from '../../src/storage/storage.js';

/** Bytes; what the cache takes is so much of it that what the process takes besides does not matter. */
const BUDGET = Number(process.argv[3]) * 1024 * 1024;
const size = Number(process.argv[2]);

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const bytes = Buffer.alloc(size, 1);
// As they come from the addon: numbers out of an array of numbers, and the gfids as text of their own.
const numbers = Float64Array.of(size, 1_700_000_000, 123_456_789, 1_700_000_001, 987_654_321);
const gfid = Buffer.alloc(16, 7);
const gfidOf = (value: number): string => {
  gfid.writeUInt32LE(value);
  return gfid.toString('hex');
};
let looks = 0;

const volume: Storage = {
  name: 'none',
  root: () => 0,
  peek: () => null,
  watch: () => undefined,
  open: (_: OpenRequest, done: (result: OpenResult) => void) => {
    looks += 1;
    const [length = 0, mtimeSeconds = 0, mtimeNanoseconds = 0, ctimeSeconds = 0] = numbers;
    const stat = {
      type: 'file',
      size: length,
      mtimeSeconds,
      mtimeNanoseconds,
      ctimeSeconds,
      ctimeNanoseconds: numbers[4] ?? 0,
      gfid: gfidOf(looks),
    } as const;
    setImmediate(() =>
      done({
        ...{ ok: true, candidate: 0, stat, chunkOffset: 0, file: null, folder: null, ageMs: 0 },
        chunk: { bytes, release: () => undefined },
        trail: [gfidOf(0), gfidOf(1e9 + (looks % 100))],
      }),
    );
    return () => undefined;
  },
};

const memory = new Memory(BUDGET);
const cache = new CachedStorage(volume, memory, {
  maxObjectBytes: 1 << 20,
  validMs: 600_000,
  negativeMs: 600_000,
  staleIfErrorMs: 0,
  requestTimeoutMs: 60_000,
  invalidate: true,
  compressor: new Compressor(),
  log: quiet,
});

const ask = (path: string): Promise<void> =>
  new Promise((resolve) => {
    const request = { root: 0, candidates: [path], body: true, listing: false, from: 0 };
    cache.open(request, (result) => {
      if (result.ok) result.chunk?.release();
      resolve();
    });
  });

/** Paths are parts of longer texts, as they are of URLs. */
const some = async (from: number, count: number): Promise<void> => {
  const one = (at: number): string =>
    `/folder${at % 100}/file-${from + at}?query`.split('?')[0] ?? '';
  for (let at = 0; at < count; at += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, index) => ask(one(at + index))));
  }
};

const rss = (): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;

/** When it falls no more: V8 gives memory back by a thread of its own, which a busy machine lets wait. */
const resident = async (): Promise<number> => {
  let least = Number.POSITIVE_INFINITY;
  for (let idle = 0; idle < 3; idle++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 30));
    const now = rss();
    if (now < least * 0.99) idle = 0;
    least = Math.min(least, now);
  }
  return least;
};

// With all of its code compiled, and no file kept that it measures.
await some(1e8, Math.min(500, Math.floor(BUDGET / 20 / size)));
const before = { rss: await resident(), counted: memory.bytes };
const fits = Math.ceil(BUDGET / size);
await some(0, fits);
const full = { rss: await resident(), counted: memory.bytes };
// Many come and go.
await some(2e8, Math.ceil(fits / 2));
const later = { rss: await resident(), counted: memory.bytes };
process.stdout.write(`${JSON.stringify({ before, full, later, evictions: memory.evictions })}\n`);
