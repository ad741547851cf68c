/** Something that is measured. */
import type { Cluster } from '../../test/support/cluster/cluster.js';
import type { Dataset } from '../dataset.js';
import { runDownloads } from '../load/download.js';
import type { Load, Work } from '../load/load.js';
import { runWrk } from '../load/wrk.js';
import { processTree } from '../usage.js';
import type { Daemon } from './daemon.js';

/** Where a peer is started. */
export interface Ground {
  readonly cluster: Cluster;
  readonly volume: string;
  /** A folder for the peers' configuration files and logs. */
  readonly workDir: string;
  readonly dataset: Dataset;
  /** A file with the small files' paths, one a line. */
  readonly smallPathsFile: string;
  /** Further lines of gfserve's `[volume]` section. */
  readonly gfserveVolume: readonly string[];
  /** Another built checkout of gfserve; null: none. */
  readonly other: string | null;
}

export interface Peer {
  /** How it was started: what the report says of it. */
  readonly setup: string;
  /** Where it answers HTTP; null for what is measured without. */
  readonly port: number | null;
  /** All its processes, with those that work for it alone, such as a FUSE client. */
  pids(): Promise<readonly number[]>;
  run(work: Work): Promise<Load>;
  stop(): Promise<void>;
}

/** A way to make a peer. */
export interface PeerKind {
  readonly title: string;
  /** Why it can't be measured here, such as a program that is missing; null: it can. */
  missing(): string | null;
  start(ground: Ground): Promise<Peer>;
}

/**
 * A server that speaks HTTP.
 * @param helpers processes that work for it, besides its own
 */
export function httpPeer(daemon: Daemon, setup: string, helpers: readonly number[] = []): Peer {
  const { port } = daemon;
  return {
    setup,
    port,
    pids: async () => [...(await processTree(daemon.pid)), ...helpers],
    run: (work) => {
      switch (work.kind) {
        case 'files':
          return runWrk(port, work);
        case 'download':
          return runDownloads(port, work);
        default: {
          const impossible: never = work;
          throw new Error(`unknown work ${String(impossible)}`);
        }
      }
    },
    stop: () => daemon.stop(),
  };
}
