/** What the tests of test/fault have in common: volumes of small files, and what must be left when all is over. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VolumeStatus } from '../../src/ipc.js';
import { get } from './client.js';
import { Cluster, type VolumeOptions } from './cluster/cluster.js';
import { type Gfserve, until } from './gfserve.js';

/** A cluster of its own for one test file. */
export async function startCluster(name: string, nodes: number): Promise<Cluster> {
  return await Cluster.up({ dir: await mkdtemp(join(tmpdir(), `gfserve-${name}-`)), nodes });
}

/** What file `index` of `volume` says. */
export const content = (volume: string, index: number): string => `${volume} file ${index}\n`;

/** Makes a volume with files `0.txt` … . @returns its mount point */
export async function createFiles(
  cluster: Cluster,
  volume: string,
  count: number,
  options: VolumeOptions,
): Promise<string> {
  await cluster.createVolume(volume, options);
  const mounted = await cluster.mount(volume);
  for (let i = 0; i < count; i++) await writeFile(join(mounted, `${i}.txt`), content(volume, i));
  return mounted;
}

/** Chooses one of the volume's files, for a Load; they are under `/<volume>/`. */
export function anyFile(volume: string, count: number): () => { path: string; expected: string } {
  return () => {
    const index = Math.floor(Math.random() * count);
    return { path: `/${volume}/${index}.txt`, expected: content(volume, index) };
  };
}

/** A volume of the cluster and a mount of it, both under its name. */
export function section(cluster: Cluster, volume: string, more = '', mountMore = ''): string {
  return `
[volume ${volume}]
servers = ${cluster.addresses.join(', ')}
${more}
[mount ${volume}]
path = /${volume}
volume = ${volume}
${mountMore}
`;
}

export async function volumeStatus(server: Gfserve, volume: string): Promise<VolumeStatus> {
  const { volumes } = await server.worker();
  const status = volumes.find(({ name }) => name === volume);
  if (!status) throw new Error(`no volume ${volume} in the worker's status`);
  return status;
}

/** Waits until `path` is answered with 200 and `expected`. @returns how long it took, in milliseconds */
export function untilServed(
  server: Gfserve,
  path: string,
  expected: string,
  timeoutMs: number,
): Promise<number> {
  return until(`${path} is served`, timeoutMs, async () => {
    const { status, body } = await get(server.port, path);
    return status === 200 && body.toString() === expected;
  });
}

/** Waits until all volumes have `threads` threads and nothing is under way, held or open. */
export async function untilNothingIsLeft(server: Gfserve, threads: number): Promise<void> {
  let last = '';
  await until('nothing is left behind', 15_000, async () => {
    const { volumes, memory, requests } = await server.worker();
    last = JSON.stringify({ volumes: volumes.map(({ native }) => native), memory, requests });
    const idle = volumes.every(
      ({ native }) =>
        native.threads === threads &&
        native.busy === 0 &&
        native.queued === 0 &&
        native.stuck === 0 &&
        native.openFiles === 0,
    );
    return idle && requests.active === 0 && 'blocksInUse' in memory && memory.blocksInUse === 0;
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${last}`);
  });
}
