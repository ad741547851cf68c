/** With what Node.js is started for a worker, so that its heap stays near what is in use. */
import type { Config } from './config/types.js';

const MIB = 1024 * 1024;

/** MiB. A worker needs some 20, and a few KiB for each connection on which something goes on. */
const HEAP_MIB = 1024;
/** All of the cache's budget may go into names, which are in the heap: for each byte so many. */
const HEAP_FOR_CACHE = 1.5;

/**
 * How far V8 lets the heap grow between two collections, in percent of what is in use. By itself it would go by how large the heap
 * may become at most: 65 with 1 GiB, and up to 300.
 */
const GROWTH_PERCENT = 40;

/** MiB. What a request leaves behind is collected in 0.2 ms all the same, and three such spaces of 16 MiB would stay. */
const NURSERY_MIB = 2;

/** `ours`: what else the supervisor itself was started with. Who has set one of them has the last word. */
export function workerFlags(
  { cache, server }: Pick<Config, 'cache' | 'server'>,
  ours: readonly string[],
  nodeOptions: string,
): string[] {
  const cacheMib = cache.sizeBytes / server.workers / MIB;
  const flags = [
    ['max-old-space-size', Math.ceil(HEAP_MIB + HEAP_FOR_CACHE * cacheMib)],
    ['max-semi-space-size', NURSERY_MIB],
    ['heap-growing-percent', GROWTH_PERCENT],
  ] as const;
  // V8 takes either for the other.
  const set = [...ours, nodeOptions].join(' ').replaceAll('_', '-');
  const added = flags.filter(([name]) => !set.includes(`--${name}`));
  return [...ours, ...added.map(([name, value]) => `--${name}=${value}`)];
}
