/** What is there before the first measurement: a cluster, a volume full of files, the peers. */
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster } from '../test/support/cluster/cluster.js';
import type { Cleanup } from './cleanup.js';
import { type Dataset, PARTS, type Part } from './dataset/parts.js';
import { writeDataset } from './dataset/write.js';
import type { Generator } from './load/load.js';
import { PEERS } from './peers/index.js';
import { NGINX_LOCAL } from './peers/nginx.js';
import type { CacheSection, Ground, Peer } from './peers/peer.js';

const PREFIX = 'gfserve-bench-';
const VOLUME = 'bench';
const NODES = 3;

type Log = (line: string) => void;

export interface StageOptions {
  readonly peers: readonly string[];
  readonly parts: readonly Part[];
  readonly mostFiles: number;
  readonly volumeOptions: Readonly<Record<string, string>>;
  readonly gfserveVolume: readonly string[];
  readonly cacheSection: CacheSection;
  readonly other: string | null;
  readonly generator: Generator;
}

export interface Stage {
  readonly peers: ReadonlyMap<string, Peer>;
  readonly dataset: Dataset;
  readonly brickPids: readonly number[];
  /** All options of the volume that are not at their defaults. */
  readonly volumeOptions: Readonly<Record<string, string>>;
  /** A folder for files of ours. */
  readonly workDir: string;
}

async function fill(
  cluster: Cluster,
  localDir: string,
  { peers, parts, mostFiles }: StageOptions,
  log: Log,
): Promise<Dataset> {
  const mount = await cluster.mount(VOLUME);
  const start = performance.now();
  let told = '';
  const dataset = await writeDataset({
    roots: peers.includes(NGINX_LOCAL) ? [mount, localDir] : [mount],
    parts,
    mostFiles,
    progress: (part, done) => {
      const line = `writing ${part}: ${Math.floor(done * 10) * 10} %`;
      if (line !== told && PARTS[part].count > 1) log(line);
      told = line;
    },
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
  const workDir = join(dir, 'bench');
  const localDir = join(workDir, 'local');
  await mkdir(localDir, { recursive: true });
  const dataset = await fill(cluster, localDir, options, log);
  const { gfserveVolume, cacheSection, other, generator } = options;
  const places = { cluster, volume: VOLUME, workDir, localDir };
  const ground: Ground = { ...places, gfserveVolume, cacheSection, other, generator };
  const peers = await startPeers(options.peers, ground, cleanup, log);
  const bricks = await cluster.bricks(VOLUME);
  const [volume] = await cluster.volumes();
  return {
    peers,
    dataset,
    brickPids: bricks.map(({ pid }) => pid).filter((pid) => pid !== null),
    volumeOptions: volume?.options ?? {},
    workDir,
  };
}
