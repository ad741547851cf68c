/** What libgfapi knows of a volume's layout and bricks, as the addon's WatchJob tells it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Brick } from './health.js';
import type { Native } from './native.js';

export interface Seen {
  /** The layout is another one than the last time. */
  readonly changed: boolean;
  /** It can't be served right over this connection. */
  readonly reconnect: boolean;
  /** The name of the newest graph. */
  readonly graph: string;
  readonly bricks: readonly Brick[];
}

const EVERY_MS = 250;

/** `bytes`: see WatchJob in addon/jobs.h. */
export function parseWatch(bytes: Uint8Array): Seen {
  const [first = '', ...lines] = Buffer.from(bytes).toString('utf8').split('\n');
  const [changed, reconnect, graph = ''] = first.split(' ');
  const bricks = lines
    .filter((line) => line !== '')
    .map((line) => {
      const [xlator = '', host = '', path = '', connected, group = '', needed] = line.split('\t');
      return {
        xlator,
        text: `${host}:${path}`,
        connected: connected === '1',
        group,
        needed: Number(needed),
      };
    });
  return { changed: changed === '1', reconnect: reconnect === '1', graph, bricks };
}

/**
 * Waits until all bricks of a volume that was connected just now are connected, but no longer than `timeoutMs`.
 * @returns how many are missing; Infinity when there is no word of them
 */
export async function missingBricks(
  native: Native,
  volume: number,
  timeoutMs: number,
): Promise<number> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const bricks = await new Promise<readonly Brick[]>((resolve) => {
      const token = native.watch(volume, ({ chunk }) => {
        resolve(chunk ? parseWatch(chunk.bytes).bricks : []);
        chunk?.release();
      });
      if (token < 0) resolve([]);
    });
    const missing = bricks.filter(({ connected }) => !connected).length;
    if (bricks.length > 0 && missing === 0) return 0;
    if (performance.now() >= end) return bricks.length > 0 ? missing : Number.POSITIVE_INFINITY;
    await sleep(EVERY_MS);
  }
}
