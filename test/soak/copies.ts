/** What the bricks themselves have of a file, for people: which copy is how old, and which accuses which. */
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Cluster } from '../support/cluster/cluster.js';

const run = promisify(execFile);

/** One brick after the other: size, mtime, mode, gfid, and what the replicate xlator has noted of the others. */
export async function copiesOf(cluster: Cluster, volume: string, path: string): Promise<string> {
  const bricks = await cluster.bricks(volume);
  const copies = await Promise.all(bricks.map((brick) => copyOf(join(brick.path, path))));
  return copies.map((text, index) => `brick ${index}: ${text}`).join('; ');
}

async function copyOf(file: string): Promise<string> {
  try {
    const { size, mtime, mode } = await stat(file);
    const { stdout } = await run('getfattr', ['-d', '-m', 'afr|gfid$', '-e', 'hex', file]);
    const xattrs = stdout.split('\n').filter((line) => line.startsWith('trusted.'));
    return [`${size} bytes of ${mtime.toISOString()}, mode ${mode.toString(8)}`, ...xattrs].join(
      ' ',
    );
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'none' : (error as Error).message;
  }
}
