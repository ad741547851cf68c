/** What a cluster's folder says about the cluster: `cluster.json`, written first and removed last. */
import { lstat, mkdir, readdir, readFile, realpath, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive, statOf } from './processes.js';

const STATE_FILE = 'cluster.json';

/** The contents of `cluster.json`. */
export interface ClusterState {
  readonly format: 1;
  readonly addresses: readonly string[];
  /** Whose death makes the cluster stale; null when it was started to outlive its starter. */
  readonly owner: { readonly pid: number; readonly startTime: number } | null;
}

/** This process as an owner. */
export async function ownIdentity(): Promise<{ pid: number; startTime: number }> {
  const stat = await statOf(process.pid);
  return { pid: process.pid, startTime: stat?.startTime ?? 0 };
}

/** Reads a folder's state; null when the folder isn't a cluster's, or is another user's. */
export async function readState(dir: string): Promise<ClusterState | null> {
  // The temporary folder is everybody's: don't kill and remove on the word of a file planted there.
  const owner = await lstat(dir).catch(() => null);
  if (owner === null || !owner.isDirectory() || owner.uid !== process.geteuid?.()) return null;
  const text = await readFile(join(dir, STATE_FILE), 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as Partial<ClusterState>;
    if (value.format !== 1 || !Array.isArray(value.addresses)) return null;
    return { format: 1, addresses: value.addresses, owner: value.owner ?? null };
  } catch {
    return null;
  }
}

/** Writes a folder's state in one step. */
export async function writeState(dir: string, state: ClusterState): Promise<void> {
  const file = join(dir, STATE_FILE);
  await writeFile(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`);
  await rename(`${file}.new`, file);
}

/** Who, other than this process, still owns the cluster; null when nobody does. */
export async function livingOwner(state: ClusterState): Promise<number | null> {
  const { owner } = state;
  if (owner === null || owner.pid === process.pid) return null;
  return (await isAlive(owner)) ? owner.pid : null;
}

/** True when the owner has died without taking the cluster down. */
export async function isStale(state: ClusterState): Promise<boolean> {
  return state.owner !== null && !(await isAlive(state.owner));
}

/**
 * Makes sure of the folder and gives its real path.
 * @throws Error when it is unfit: something else's, or with a path that GlusterFS can't take
 */
export async function prepareDir(dir: string): Promise<string> {
  await mkdir(dir, { recursive: true });
  const stat = await lstat(dir);
  if (stat.isSymbolicLink()) throw new Error(`${dir} is a symbolic link`);
  if (stat.uid !== process.geteuid?.()) throw new Error(`${dir} belongs to another user`);
  const real = await realpath(dir);
  // Brick names carry the path, and a socket's path is limited to 108 bytes.
  if (!/^[A-Za-z0-9_./-]+$/.test(real) || real.length > 80) {
    throw new Error(`${real}: a cluster's path is at most 80 of A-Z a-z 0-9 _ . / -`);
  }
  const entries = await readdir(real);
  const ours = entries.every((entry) => entry.startsWith(STATE_FILE));
  if (!ours && (await readState(real)) === null) {
    throw new Error(`${real} has files in it and no ${STATE_FILE}: not a cluster's folder`);
  }
  return real;
}
