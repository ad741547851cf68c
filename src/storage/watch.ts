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

const EVERY_MS = 100;
/** How long a new connection may take to all of its bricks before it is used in the place of another. */
const ALL_BRICKS_MS = 10_000;
/** … and to those that the other one does not reach either. */
const LOST_BRICKS_MS = 2_000;

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

/** The connection in use, which another may take the place of. It may go down meanwhile, or be closed. */
export interface Present {
  bricks(): readonly Brick[];
  /** Then anything is as good. */
  isDown(): boolean;
}

/**
 * What is in use must not be exchanged for something worse. A new connection reaches the bricks one by one after glfs_init, and
 * those of a node whose glusterd is gone not at all, as that tells where they listen. Bricks that the volume no longer has count
 * no more; those that only the new layout has are not reached by the present connection.
 * @returns in what way `volume`, which was connected just now, is worse; null: it is as good
 */
export async function whyWorse(
  native: Native,
  volume: number,
  present: Present,
): Promise<string | null> {
  if (present.isDown()) return null;
  const reached = (): Set<string> =>
    new Set(
      present
        .bricks()
        .filter(({ connected }) => connected)
        .map(({ text }) => text),
    );
  const bricks = await watchBricks(native, volume, (seen, waitedMs) => {
    if (present.isDown()) return true;
    const missing = seen.filter(isMissing);
    if (missing.length === 0) return seen.length > 0;
    const before = reached();
    return waitedMs >= LOST_BRICKS_MS && missing.every(({ text }) => !before.has(text));
  });
  if (present.isDown()) return null;
  if (bricks.length === 0) return 'there is no word of its bricks';
  const missing = bricks.filter(isMissing).length;
  const before = reached();
  const unreached = bricks.filter(({ text }) => !before.has(text)).length;
  if (missing <= unreached) return null;
  return `${missing} bricks can't be reached, and ${unreached} over the present connection`;
}

const isMissing = ({ connected }: Brick): boolean => !connected;

/** Looks at the bricks until `isEnough`, or until they have had their time. @returns those it saw last */
async function watchBricks(
  native: Native,
  volume: number,
  isEnough: (bricks: readonly Brick[], waitedMs: number) => boolean,
): Promise<readonly Brick[]> {
  const start = performance.now();
  for (;;) {
    const bricks = await new Promise<readonly Brick[]>((resolve) => {
      const token = native.watch(volume, ({ chunk }) => {
        resolve(chunk ? parseWatch(chunk.bytes).bricks : []);
        chunk?.release();
      });
      if (token < 0) resolve([]);
    });
    const waitedMs = performance.now() - start;
    if (waitedMs >= ALL_BRICKS_MS || isEnough(bricks, waitedMs)) return bricks;
    await sleep(EVERY_MS);
  }
}
