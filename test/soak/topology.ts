/** Changes of a volume's bricks, and what each waits for. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../support/cluster/cluster.js';
import { changeBricks, MigrationFailed, untilMigrated } from '../support/cluster/migration.js';
import { COPIES, SPREAD } from './world.js';

const MIGRATION_MS = 180_000;
const HEAL_MS = 120_000;
/** How often what may fail by chance is tried. */
const ATTEMPTS = 5;

async function waitFor(
  what: string,
  timeoutMs: number,
  done: () => Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await done().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs / 1000} s: ${what}`);
    await sleep(500);
  }
}

/**
 * Until no file of the replicated volume waits to be healed; false: some still do. `volume heal info` asks a glusterd at
 * a fixed socket, which ours isn't; the bricks' own lists of what the others missed say the same.
 */
export async function healed(cluster: Cluster, timeoutMs = HEAL_MS): Promise<boolean> {
  const empty = async (): Promise<boolean> => {
    const lists = (await cluster.bricks(COPIES)).map(({ path }) =>
      readdir(join(path, '.glusterfs/indices/xattrop')).catch(() => []),
    );
    // The file that the others are links of is always there.
    return (await Promise.all(lists)).flat().every((name) => name.startsWith('xattrop-'));
  };
  return await waitFor('healed', timeoutMs, empty).then(
    () => true,
    () => false,
  );
}

export class Topology {
  #added: string | null = null;
  #names = 0;

  constructor(private readonly cluster: Cluster) {}

  #newBrick(volume: string, node: number): string {
    const { dir, addresses } = this.cluster;
    const name = `${volume}-new-${this.#names++}`;
    return `${addresses[node - 1]}:${join(dir, `node${node}`, 'bricks', name)}`;
  }

  /** The distributed volume gets a fourth brick, with its share of the files, or loses it again. */
  async addOrRemove(): Promise<string> {
    const { cluster } = this;
    if (this.#added === null) {
      const brick = this.#newBrick(SPREAD, 1);
      await changeBricks(cluster, 'add-brick', SPREAD, brick, 'force');
      this.#added = brick;
      await cluster.gluster('volume', 'rebalance', SPREAD, 'start', 'force');
      // Seen to hang, and to give up, while files are renamed; what it has not moved is found where it is.
      const status = untilMigrated(cluster, MIGRATION_MS, 'rebalance', SPREAD, 'status');
      const isDone = await status.catch((error: unknown) => {
        if (error instanceof MigrationFailed) return null;
        throw error;
      });
      if (isDone === null) return `add-brick to ${SPREAD}, the rebalance gave up`;
      if (!isDone) await cluster.gluster('volume', 'rebalance', SPREAD, 'stop');
      return `add-brick to ${SPREAD}, ${isDone ? 'rebalanced' : 'not rebalanced in time'}`;
    }
    const brick = this.#added;
    const remove = (verb: string): Promise<string> =>
      cluster.gluster('volume', 'remove-brick', SPREAD, brick, verb);
    for (let attempt = 1; ; attempt++) {
      await remove('start');
      const status = ['remove-brick', SPREAD, brick, 'status'];
      if (!(await untilMigrated(cluster, MIGRATION_MS, ...status))) {
        throw new Error(`not within ${MIGRATION_MS / 1000} s: migrated`);
      }
      try {
        await remove('commit');
        break;
      } catch (error) {
        // A file that was changed while it was to be moved has been left where it is.
        if (!/might have been skipped/.test(String(error))) throw error;
        await remove('stop');
        // The brick stays, and the next one tries again.
        if (attempt === ATTEMPTS) return `remove-brick from ${SPREAD}, refused ${attempt} times`;
      }
    }
    this.#added = null;
    await this.#discard(brick);
    return `remove-brick from ${SPREAD}, migrated`;
  }

  /** One copy of the replicated volume moves to an empty brick, and is healed there. */
  async replace(index: number): Promise<string> {
    const { cluster } = this;
    const old = (await cluster.bricks(COPIES))[index];
    if (old === undefined) throw new RangeError(`no brick ${index}`);
    const from = `${old.address}:${old.path}`;
    const to = this.#newBrick(COPIES, index + 1);
    await changeBricks(cluster, 'replace-brick', COPIES, from, to, 'commit', 'force');
    // A rename that meets the healing may leave a file with another gfid on each brick: that stays (EIO for every client).
    const result = (await healed(cluster)) ? 'healed' : 'not healed in time';
    await this.#discard(from);
    return `replace-brick ${index} of ${COPIES}, ${result}`;
  }

  async #discard(brick: string): Promise<void> {
    await rm(brick.slice(brick.indexOf(':') + 1), { recursive: true, force: true });
  }
}
