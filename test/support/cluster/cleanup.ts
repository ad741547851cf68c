/** Taking a cluster away, whole or half: mounts, processes, sockets, folder. Works on any leftovers. */
import { readdir, readFile, realpath, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, waitUntil } from './exec.js';
import { argAfter, clusterProcesses, terminate } from './processes.js';
import { isStale, readState } from './state.js';

/** GlusterFS has this folder compiled in for the sockets between glusterd and its daemons. */
const SOCKET_DIR = /^(\/var)?\/run\/gluster\/[0-9a-f]+\.socket$/;
const SOCKET_LIST = 'sockets';

/** The mount points inside `dir`, innermost first. */
export async function mountsUnder(dir: string): Promise<string[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8');
  return text
    .split('\n')
    .map((line) => (line.split(' ')[4] ?? '').replace(/\\040/g, ' '))
    .filter((path) => path.startsWith(`${dir}/`))
    .reverse();
}

/** Detaches a mount point even if its file system hangs, and waits until it is gone. */
export async function detach(path: string): Promise<void> {
  // -c: don't look at the path, which could block; the kernel's own name for it is what we have.
  await run(['umount', '-c', '-l', path], 20_000);
}

/**
 * Notes the sockets that the cluster's daemons have in /var/run/gluster. Only a living daemon's
 * command line tells which are its own, so they are noted while it lives and removed in the end.
 */
export async function rememberSockets(dir: string): Promise<void> {
  const known = new Set(await knownSockets(dir));
  const before = known.size;
  for (const process of await clusterProcesses(dir)) {
    const socket = argAfter(process, '-S');
    if (socket !== null && SOCKET_DIR.test(socket)) known.add(socket);
  }
  if (known.size > before) await writeFile(join(dir, SOCKET_LIST), `${[...known].join('\n')}\n`);
}

async function knownSockets(dir: string): Promise<string[]> {
  const text = await readFile(join(dir, SOCKET_LIST), 'utf8').catch(() => '');
  return text.split('\n').filter((path) => SOCKET_DIR.test(path));
}

async function removeSockets(paths: readonly string[]): Promise<void> {
  const bound = await readFile('/proc/net/unix', 'utf8').catch(() => '');
  for (const path of paths) {
    if (!bound.includes(path)) await unlink(path).catch(() => undefined);
  }
}

/**
 * Ends all of a cluster's processes and mounts and removes its folder. Does nothing where there is no
 * cluster.
 * @param dir an absolute path without symlinks
 * @throws Error when a mount or a process can't be got rid of; the folder then stays
 */
export function destroy(dir: string): Promise<void> {
  const already = underway.get(dir);
  if (already !== undefined) return already;
  const work = destroyNow(dir).finally(() => underway.delete(dir));
  underway.set(dir, work);
  return work;
}

/** A start that fails because it is interrupted cleans up too; both must wait for the same end. */
const underway = new Map<string, Promise<void>>();

async function destroyNow(dir: string): Promise<void> {
  if ((await readState(dir)) === null) return;
  await rememberSockets(dir);
  // A FUSE client unmounts when it gets SIGTERM; if it can't, killing it frees whoever hangs in it.
  // Scan again until nothing is found: a glusterd may have been about to start a brick.
  const gone = await waitUntil(async () => {
    const left = await clusterProcesses(dir);
    await terminate(left);
    for (const path of await mountsUnder(dir)) await detach(path).catch(() => undefined);
    return left.length === 0;
  }, 60_000);
  const mounts = await mountsUnder(dir);
  if (!gone || mounts.length > 0) {
    throw new Error(`can't clean ${dir}: still there: ${mounts.join(', ') || 'its processes'}`);
  }
  await removeSockets(await knownSockets(dir));
  await removeDir(dir);
}

/** cluster.json goes last, so that an interrupted removal is still known for what it is. */
async function removeDir(dir: string): Promise<void> {
  // Somebody else who cleans stale clusters may be faster.
  for (const entry of await readdir(dir).catch(() => [])) {
    if (entry === 'cluster.json') continue;
    await rm(join(dir, entry), { recursive: true, force: true, maxRetries: 5 });
  }
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}

/**
 * Cleans the clusters in the temporary folder whose owners died without doing so.
 * @param prefix how the folders' names begin
 * @returns the folders that were removed
 */
export async function cleanStale(prefix: string): Promise<string[]> {
  const cleaned: string[] = [];
  const parent = await realpath(tmpdir());
  for (const entry of await readdir(parent, { withFileTypes: true })) {
    if (!entry.isDirectory() || !entry.name.startsWith(prefix)) continue;
    const dir = join(parent, entry.name);
    const state = await readState(dir);
    if (state === null || !(await isStale(state))) continue;
    await destroy(dir);
    cleaned.push(dir);
  }
  return cleaned;
}
