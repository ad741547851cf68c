/** A volume's bricks as glusterd's own files and /proc tell of them: works while glusterds are dead. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gluster, type Node } from './glusterd.js';
import { argAfter, clusterProcesses, type Process } from './processes.js';

/** One brick. */
export interface BrickInfo {
  volume: string;
  /** Counts from 0, as in the client's subvolume name `<volume>-client-<index>`. */
  index: number;
  address: string;
  /** The folder on disk. */
  path: string;
  pid: number | null;
  port: number | null;
  /** `stopped` by SIGSTOP; `offline`: there is no process. */
  state: 'online' | 'stopped' | 'offline';
}

/** A brick with its process. */
export interface Brick extends BrickInfo {
  process: Process | null;
}

/** One volume as a glusterd has stored it. */
export interface StoredVolume {
  name: string;
  /** Grows with each change; differs where a glusterd missed some. */
  version: number;
  started: boolean;
  replica: number;
  options: Record<string, string>;
  bricks: { address: string; path: string }[];
}

function parseFields(text: string): Map<string, string> {
  const pairs = text.split('\n').filter((line) => line.includes('='));
  return new Map(
    pairs.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

/** The names of the volumes that `node` knows. */
export async function volumeNames(node: Node): Promise<string[]> {
  return (await readdir(join(node.dir, 'glusterd', 'vols')).catch(() => [])).sort();
}

/**
 * What `node` has stored of a volume; null when it knows none of that name, or not at this moment: a
 * glusterd that missed a change while it was down deletes the volume and takes it from a peer again.
 */
export async function storedVolume(node: Node, name: string): Promise<StoredVolume | null> {
  const dir = join(node.dir, 'glusterd', 'vols', name);
  const text = await readFile(join(dir, 'info'), 'utf8').catch(() => null);
  if (text === null) return null;
  const info = parseFields(text);
  const bricks: StoredVolume['bricks'] = [];
  for (let index = 0; ; index++) {
    const file = info.get(`brick-${index}`);
    if (file === undefined) break;
    const brick = await readFile(join(dir, 'bricks', file), 'utf8').catch(() => null);
    if (brick === null) return null;
    const fields = parseFields(brick);
    bricks.push({ address: fields.get('hostname') ?? '', path: fields.get('path') ?? '' });
  }
  const options = Object.fromEntries([...info].filter(([key]) => key.includes('.')));
  const replica = Number(info.get('replica_count') ?? '1');
  const version = Number(info.get('version') ?? '0');
  return { name, version, started: info.get('status') === '1', replica, options, bricks };
}

/** The bricks of a volume with their processes. */
export async function bricksOf(dir: string, volume: StoredVolume): Promise<Brick[]> {
  const processes = (await clusterProcesses(dir)).sort((a, b) => b.startTime - a.startTime);
  return volume.bricks.map(({ address, path }, index) => {
    // While a brick turns itself into a daemon there are two; the newer one stays.
    const process = processes.find((one) => argAfter(one, '--brick-name') === path) ?? null;
    const port = process === null ? null : Number(argAfter(process, '--brick-port'));
    const state =
      process === null ? 'offline' : 'Tt'.includes(process.state) ? 'stopped' : 'online';
    return {
      volume: volume.name,
      index,
      address,
      path,
      pid: process?.pid ?? null,
      port,
      state,
      process,
    };
  });
}

/** The paths of the volume's bricks that glusterd calls online. */
export async function onlineBricks(node: Node, name: string): Promise<Set<string>> {
  const xml = await gluster(node, ['volume', 'status', name, '--xml']).catch(() => '');
  const online = xml.split('<node>').filter((part) => part.includes('<status>1</status>'));
  return new Set(online.map((part) => /<path>(.*?)<\/path>/.exec(part)?.[1] ?? ''));
}
