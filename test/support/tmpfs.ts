/** A file system of its own in memory, that is soon full. */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Mounts one of `size` bytes at `dir`, which it makes. Returns what takes it away. */
export async function mountTmpfs(dir: string, size: number): Promise<() => Promise<void>> {
  await mkdir(dir, { recursive: true });
  await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir]);
  return async () => {
    await run('umount', ['--lazy', dir]);
  };
}
