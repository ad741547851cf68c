/** A cluster with one volume that sends invalidations, mounted for those who write. */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster } from '../support/cluster/cluster.js';
import type { Findings } from './report.js';

const PREFIX = 'gfserve-soak-';

export class Plain {
  readonly volume = 'plain';

  private constructor(
    readonly findings: Findings,
    readonly cluster: Cluster,
    readonly mount: string,
    private readonly dir: string,
  ) {}

  /** One node a copy. */
  static async build(findings: Findings, copies: number): Promise<Plain> {
    await Cluster.cleanStale(PREFIX);
    const dir = await realpath(await mkdtemp(join(tmpdir(), PREFIX)));
    const cluster = await Cluster.up({ dir, nodes: copies });
    try {
      await cluster.createVolume('plain', copies > 1 ? { replica: copies } : { bricks: 1 });
      await cluster.gluster('volume', 'set', 'plain', 'group', 'metadata-cache');
      return new Plain(findings, cluster, await cluster.mount('plain'), dir);
    } catch (error) {
      await cluster.down();
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
  }

  /** gfserve's configuration for it. */
  config(cache: string, volume = ''): string {
    return `[cache]
${cache}
[volume plain]
servers = ${this.cluster.addresses.join(', ')}
${volume}
[mount main]
path = /
volume = plain
`;
  }

  async takeDown(): Promise<void> {
    await this.cluster.down();
    await rm(this.dir, { recursive: true, force: true });
  }
}
