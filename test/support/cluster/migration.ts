/** Bricks that come and go, and files that move between them: what glusterd does not always manage at once. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.js';

export class MigrationFailed extends Error {}

/** How often what may fail by chance is tried. */
const ATTEMPTS = 5;
const PAUSE_MS = 500;

/**
 * `gluster volume add-brick` and `replace-brick`. Several glusterds of one machine test one folder's attributes, and then one
 * of them finds none: that is tried again.
 */
export async function changeBricks(cluster: Cluster, ...args: readonly string[]): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await cluster.gluster('volume', ...args);
    } catch (error) {
      if (attempt === ATTEMPTS || !/test extended attribute/.test(String(error))) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

/**
 * Waits until files have moved: `command` asks for the status, such as `rebalance VOLUME status`. glusterd may fail to say
 * while the process that moves them starts or ends. false: not within that time.
 * Throws MigrationFailed where that process has given up.
 */
export async function untilMigrated(
  cluster: Cluster,
  timeoutMs: number,
  ...command: readonly string[]
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    const xml = await cluster.gluster('volume', ...command, '--xml').catch(() => '');
    // In the summary over all nodes.
    const status = /<aggregate>[\s\S]*<statusStr>(.*?)<\/statusStr>/.exec(xml)?.[1] ?? '';
    if (status === 'failed') throw new MigrationFailed(`volume ${command.join(' ')}: failed`);
    if (status === 'completed') return true;
    await sleep(PAUSE_MS);
  }
  return false;
}
