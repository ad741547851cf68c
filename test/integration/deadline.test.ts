/** A volume whose only brick hangs: 504 in time, 503 when its queue is full, nothing left behind when it comes back. */

import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { get } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve, until } from '../support/gfserve.js';

let cluster: Cluster;
let server: Gfserve;

beforeAll(async () => {
  cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-deadline-')), nodes: 1 });
  for (const name of ['hung', 'well']) {
    await cluster.createVolume(name, { bricks: 1 });
    const mounted = await cluster.mount(name);
    await mkdir(join(mounted, 'd'));
    for (let i = 0; i < 100; i++) await writeFile(join(mounted, 'd', `${i}.txt`), `${name} ${i}`);
  }
  const servers = cluster.addresses.join(', ');
  server = await Gfserve.start({
    config: `
[limits]
request-timeout = 1s
max-queue = 16
[volume hung]
servers = ${servers}
threads = 4
ping-timeout = 60s
[volume well]
servers = ${servers}
[mount hung]
path = /hung
volume = hung
[mount well]
path = /well
volume = well
`,
  });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

test('504 with Retry-After in time, 503 past the queue, and the other volume notices nothing', async () => {
  expect((await get(server.port, '/hung/d/0.txt')).body.toString()).toBe('hung 0');
  await cluster.stopBrick('hung', 0);
  const timed = async (path: string): Promise<{ status: number; ms: number; retry: number }> => {
    const start = performance.now();
    const { status, headers } = await get(server.port, path);
    return { status, ms: performance.now() - start, retry: Number(headers['retry-after']) };
  };
  try {
    const hung = Array.from({ length: 40 }, (_, i) => timed(`/hung/d/${i + 1}.txt`));
    for (let i = 0; i < 100; i++) {
      expect((await get(server.port, `/well/d/${i}.txt`)).body.toString()).toBe(`well ${i}`);
    }
    const answers = await Promise.all(hung);
    // 4 in threads and 16 in the queue wait; the rest are turned away at once.
    expect(answers.filter(({ status }) => status === 504).length).toBe(20);
    expect(answers.filter(({ status }) => status === 503).length).toBe(20);
    for (const { status, ms, retry } of answers) {
      expect(retry).toBeGreaterThan(0);
      if (status === 504) expect(ms).toBeGreaterThan(950);
      expect(ms).toBeLessThan(1_500);
    }
  } finally {
    await cluster.contBrick('hung', 0);
  }
  await until('it serves again', 5_000, async () => {
    const answer = await get(server.port, '/hung/d/50.txt');
    return answer.body.toString() === 'hung 50';
  });
  await until('nothing is left of the answers that came too late', 5_000, async () => {
    const { volumes, memory } = await server.worker();
    const busy = volumes.every(
      ({ native }) => native.busy === 0 && native.queued === 0 && native.openFiles === 0,
    );
    return busy && 'blocksInUse' in memory && memory.blocksInUse === 0;
  });
});
