/** What is there before the first measurement: a cluster, a volume full of files, the peers. */
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster } from '../test/support/cluster/cluster.js';
import type { Cleanup } from './cleanup.js';
import { type Dataset, writeDataset } from './dataset.js';
import { PEERS } from './peers/index.js';
import type { Ground, Peer } from './peers/peer.js';
import { verify } from './verify.js';

const PREFIX = 'gfserve-bench-';
const VOLUME = 'bench';
const NODES = 3;

type Log = (line: string) => void;

export interface StageOptions {
  readonly peers: readonly string[];
  readonly volumeOptions: Readonly<Record<string, string>>;
  readonly gfserveVolume: readonly string[];
  readonly other: string | null;
}

export interface Stage {
  readonly peers: ReadonlyMap<string, Peer>;
  readonly dataset: Dataset;
  /** A file with the small files' paths, one a line. */
  readonly smallPathsFile: string;
  readonly brickPids: readonly number[];
  /** All options of the volume that are not at their defaults. */
  readonly volumeOptions: Readonly<Record<string, string>>;
}

async function fill(cluster: Cluster, log: Log): Promise<Dataset> {
  const mount = await cluster.mount(VOLUME);
  const start = performance.now();
  let told = 0;
  const dataset = await writeDataset(mount, (done) => {
    if (done < told + 0.25) return;
    told = done;
    log(`writing files: ${Math.round(done * 100)} %`);
  });
  // The client that wrote the files knows them: the peers get a new one.
  await cluster.unmount(VOLUME);
  log(`files are written: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return dataset;
}

async function startPeers(
  names: readonly string[],
  ground: Ground,
  cleanup: Cleanup,
  log: Log,
): Promise<Map<string, Peer>> {
  const peers = new Map<string, Peer>();
  for (const name of names) {
    const kind = PEERS[name];
    const missing = kind?.missing() ?? null;
    if (kind === undefined || missing !== null) {
      log(`${name} is left out: ${missing ?? 'unknown'}`);
      continue;
    }
    const peer = await kind.start(ground);
    cleanup.add(name, () => peer.stop());
    log(`${name}: ${peer.setup}`);
    if (peer.port !== null) {
      const count = await verify(peer.port, ground.dataset).catch((error: unknown) => {
        throw new Error(`${name} serves wrong: ${(error as Error).message}`);
      });
      log(`${name}: ${count} files have the right sha256`);
    }
    peers.set(name, peer);
  }
  return peers;
}

/** For a start that was cut short; after `down` there is nothing left to do. */
async function removeCluster(dir: string): Promise<void> {
  const cluster = await Cluster.attach(dir).catch(() => null);
  await cluster?.down();
  await rm(dir, { recursive: true, force: true });
}

/** Sets everything up; `cleanup` takes it down, however far it came. */
export async function setStage(options: StageOptions, cleanup: Cleanup, log: Log): Promise<Stage> {
  for (const dir of await Cluster.cleanStale(PREFIX)) log(`cleaned what was left in ${dir}`);
  const dir = await realpath(await mkdtemp(join(tmpdir(), PREFIX)));
  cleanup.add('the folder', () => removeCluster(dir));
  const cluster = await Cluster.up({ dir, nodes: NODES, log });
  cleanup.add('the cluster', () => cluster.down());
  await cluster.createVolume(VOLUME, { replica: 3, options: { ...options.volumeOptions } });
  const dataset = await fill(cluster, log);
  const workDir = join(dir, 'bench');
  await mkdir(workDir, { recursive: true });
  const smallPathsFile = join(workDir, 'small-paths');
  await writeFile(smallPathsFile, dataset.small.map(({ path }) => `${path}\n`).join(''));
  const base = { cluster, volume: VOLUME, workDir, dataset, smallPathsFile };
  const ground: Ground = { ...base, gfserveVolume: options.gfserveVolume, other: options.other };
  const peers = await startPeers(options.peers, ground, cleanup, log);
  const bricks = await cluster.bricks(VOLUME);
  const [volume] = await cluster.volumes();
  return {
    peers,
    dataset,
    smallPathsFile,
    brickPids: bricks.map(({ pid }) => pid).filter((pid) => pid !== null),
    volumeOptions: volume?.options ?? {},
  };
}
