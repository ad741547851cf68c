/** FUSE mounts of a cluster's volumes: the second client, which changes files. */
import { mkdir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { detach, mountsUnder } from './cleanup.js';
import { CommandError, run, runDaemon, tail, waitUntil } from './exec.js';
import { clusterProcesses, terminate } from './processes.js';

/** Where a volume is or would be mounted. */
export function mountPath(dir: string, volume: string): string {
  return join(dir, 'mnt', volume);
}

const pidFileOf = (dir: string, volume: string): string => join(dir, 'mnt', `${volume}.pid`);

/**
 * Mounts a volume; where it is mounted already, nothing happens.
 * @param servers addresses of glusterds to ask for the volume, in this order
 * @returns the mount point
 * @throws CommandError with the end of the client's log
 */
export async function mountVolume(
  dir: string,
  volume: string,
  servers: readonly string[],
  as = volume,
): Promise<string> {
  const path = mountPath(dir, as);
  const log = join(dir, 'mnt', `${as}.log`);
  if (await isMounted(dir, path)) return path;
  await mkdir(path, { recursive: true });
  const command = [
    'glusterfs',
    ...servers.map((server) => `--volfile-server=${server}`),
    `--volfile-id=/${volume}`,
    '--process-name=fuse',
    `--pid-file=${pidFileOf(dir, as)}`,
    `--log-file=${log}`,
    path,
  ];
  const fail = async (outcome: string): Promise<never> => {
    await unmountVolume(dir, as).catch(() => undefined);
    throw new CommandError(command, outcome, await tail(log));
  };
  try {
    await runDaemon(command, join(dir, 'mnt', `${as}.out`));
  } catch (error) {
    await fail(error instanceof CommandError ? error.outcome : String(error));
  }
  // The mount is there before the client has reached the bricks; its root answers once it has.
  const ready = await waitUntil(async () => {
    if (!(await isMounted(dir, path))) return false;
    return await stat(path).then(
      (root) => root.ino === 1,
      () => false,
    );
  }, 30_000);
  return ready ? path : await fail('the mount does not answer');
}

async function isMounted(dir: string, path: string): Promise<boolean> {
  return (await mountsUnder(dir)).includes(path);
}

/** Unmounts a volume, by force when it is in use or hangs. Does nothing where none is mounted. */
export async function unmountVolume(dir: string, volume: string): Promise<void> {
  const path = mountPath(dir, volume);
  if (await isMounted(dir, path)) {
    await run(['umount', '-c', path], 5_000).catch(() => detach(path));
  }
  const pidFile = `--pid-file=${pidFileOf(dir, volume)}`;
  await terminate((await clusterProcesses(dir)).filter((one) => one.argv.includes(pidFile)));
  await rmdir(path).catch(() => undefined);
}
