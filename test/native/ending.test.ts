/** Environments of Node that end while the addon is at work in them: worker threads, and the process itself. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Cluster } from '../support/cluster/cluster.js';

const SCRIPT = fileURLToPath(new URL('./ending.js', import.meta.url));

let cluster: Cluster;

beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'gfserve-ending-'));
  cluster = await Cluster.up({ dir, nodes: 1 });
  await cluster.createVolume('ending');
  const folder = join(await cluster.mount('ending'), 'ending');
  await mkdir(folder);
  await writeFile(join(folder, 'small'), 'small');
  await writeFile(join(folder, 'large'), Buffer.alloc(300_000, 'l'));
});

afterAll(async () => {
  await cluster?.down();
});

/** Runs a task to the end of its process; gives how that ended and what it printed. */
function run(task: string): Promise<string> {
  const args = [SCRIPT, cluster.addresses[0] ?? '', 'ending', task];
  // Freed memory is overwritten, so that whoever uses it is noticed.
  const env = { ...process.env, NODE_OPTIONS: '', MALLOC_PERTURB_: '165' };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env, timeout: 60_000 }, (error, stdout, stderr) => {
      const how = error === null ? 'exit 0' : `exit ${error.code ?? error.signal}`;
      resolve(`${how}\n${stdout}${stderr}`.trim());
    });
  });
}

test.each([
  ['a process that has only loaded it', 'nothing'],
  ['blocks that are given back', 'detach'],
  ['worker threads that are terminated at work', 'workers'],
  ['a process that exits at work', 'exit'],
])('%s', async (_what, task) => {
  expect(await run(task)).toBe('exit 0');
});
