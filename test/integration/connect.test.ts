/** Volfile servers that refuse, hang or come back late, and volumes that do not exist. */

import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { BlackHole } from '../support/black_hole.js';
import { get } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve, type GfserveOptions, until } from '../support/gfserve.js';

/** Nobody listens there. */
const REFUSING = '127.9.9.1';
const DEAD = '127.9.9.2';

let cluster: Cluster;
let live: string;

beforeAll(async () => {
  cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-connect-')), nodes: 2 });
  await cluster.createVolume('site', { bricks: 1 });
  await cluster.createVolume('replicated', { replica: 2 });
  for (const name of ['site', 'replicated']) {
    await writeFile(join(await cluster.mount(name), 'f.txt'), 'content');
  }
  live = cluster.addresses[0] ?? '';
}, 240_000);

afterAll(async () => {
  await cluster?.down();
}, 240_000);

const volume = (name: string, servers: string, more = ''): string => `
[volume ${name}]
servers = ${servers}
${more}
[mount ${name}]
path = /${name}
volume = ${name}
`;

async function withServer(
  options: GfserveOptions,
  body: (server: Gfserve) => Promise<void>,
): Promise<void> {
  // What is asked here is how it comes to be connected.
  const server = await Gfserve.start({ lacksVolumes: true, ...options });
  try {
    await body(server);
  } finally {
    await server.stop();
  }
}

const serves = (server: Gfserve, path: string) => async (): Promise<boolean> => {
  const answer = await get(server.port, path);
  return answer.status === 200 && answer.body.toString() === 'content';
};

test('a refusing and a dead address before the live one: serving within 10 s', async () => {
  const hole = await BlackHole.open(DEAD, 24007);
  try {
    const start = performance.now();
    await withServer(
      { config: volume('site', `${REFUSING}, ${DEAD}, ${live}`) },
      async (server) => {
        await until('the file is served', 10_000, serves(server, '/site/f.txt'));
        expect(performance.now() - start).toBeLessThan(10_000);
        expect(server.log).toContain(`connected through ${live}`);
      },
    );
  } finally {
    await hole.close();
  }
});

test('a glusterd that accepts but hangs, before the live one: serving within 10 s', async () => {
  await cluster.stopGlusterd(2);
  try {
    const start = performance.now();
    const hung = cluster.addresses[1] ?? '';
    await withServer({ config: volume('site', `${hung}, ${live}`) }, async (server) => {
      await until('the file is served', 10_000, serves(server, '/site/f.txt'));
      expect(performance.now() - start).toBeLessThan(10_000);
    });
  } finally {
    await cluster.contGlusterd(2);
  }
});

test('the host of one replica hangs: connected by the other within 25 s', async () => {
  await cluster.stopGlusterd(2);
  try {
    const servers = [...cluster.addresses].reverse().join(', ');
    await withServer({ config: volume('replicated', servers) }, async (server) => {
      await until('the file is served', 25_000, serves(server, '/replicated/f.txt'));
    });
  } finally {
    await cluster.contGlusterd(2);
  }
});

test('a dead first server costs its own mount the wait, not another', async () => {
  const hole = await BlackHole.open(DEAD, 24007);
  try {
    const config = volume('slow', DEAD, 'volname = site') + volume('site', live);
    await withServer({ config }, async (server) => {
      // The first answer after start-up, with nothing retried.
      expect((await get(server.port, '/site/f.txt')).status).toBe(200);
      expect((await get(server.port, '/slow/f.txt')).status).toBe(503);
      const { volumes } = await server.worker();
      expect(volumes.map(({ name, state }) => [name, state])).toEqual([
        ['slow', 'connecting'],
        ['site', 'healthy'],
      ]);
    });
  } finally {
    await hole.close();
  }
});

test('all dead: 503 with Retry-After, a log that says why, and healing within 10 s', async () => {
  await cluster.killGlusterd(1);
  await cluster.killGlusterd(2);
  await withServer({ config: volume('site', cluster.addresses.join(', ')) }, async (server) => {
    const answer = await get(server.port, '/site/f.txt');
    expect(answer.status).toBe(503);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(answer.headers['cache-control']).toBe('no-store');
    for (const address of cluster.addresses) expect(answer.body.toString()).not.toContain(address);
    await until('the log says what was tried', 5_000, () => server.log.includes('not connected'));
    for (const address of cluster.addresses) {
      expect(server.log).toMatch(
        new RegExp(`not connected: .*${address} refused the connection.*trying again in`),
      );
    }
    await cluster.startGlusterd(1);
    await until('the volume is served again', 10_000, serves(server, '/site/f.txt'));
  });
  await cluster.startGlusterd(2);
}, 240_000);

test('a volume that does not exist is named, answers 503, and is served once it exists', async () => {
  await withServer({ config: volume('late', live) }, async (server) => {
    expect((await get(server.port, '/late/f.txt')).status).toBe(503);
    await until('the log names it', 5_000, () => /knows no volume "late"/.test(server.log));
    expect(server.log).toMatch(/trying again in/);
    await cluster.createVolume('late', { bricks: 1 });
    await writeFile(join(await cluster.mount('late'), 'f.txt'), 'content');
    await until('it is served', 10_000, serves(server, '/late/f.txt'));
  });
}, 240_000);

/** Of an xlator, as libgfapi writes its graph into its log. */
function optionsOf(log: string, xlator: string): string[] {
  const lines = log.split('\n').map((line) => line.replace(/^\s*\d+: */, '').trim());
  const begin = lines.lastIndexOf(`volume ${xlator}`);
  const end = lines.indexOf('end-volume', begin);
  return lines.slice(begin, end).filter((line) => line.startsWith('option '));
}

test("libgfapi's caches are not used beside gfserve's own, unless xlator-option says so", async () => {
  const caches = { 'performance.io-cache': 'on', 'performance.read-ahead': 'on' };
  await cluster.createVolume('caching', { bricks: 1, options: caches });
  await writeFile(join(await cluster.mount('caching'), 'f.txt'), 'content');
  const graphOf = async (name: string, more: string): Promise<string> => {
    const path = join(cluster.dir, name);
    const config = volume('caching', live, `log-file = ${path}\nlog-level = info\n${more}`);
    await withServer({ config }, async (server) => {
      await until('the file is served', 10_000, serves(server, '/caching/f.txt'));
    });
    return await readFile(path, 'utf8');
  };
  const graph = await graphOf('caching.log', '');
  expect(optionsOf(graph, 'caching-io-cache')).toContain('option pass-through on');
  expect(optionsOf(graph, 'caching-read-ahead')).toContain('option pass-through on');
  // The last of two lines counts.
  const lines = ['"*-io-cache.pass-through=on"', '"*-io-cache.pass-through=off"'];
  const wanted = await graphOf(
    'wanted.log',
    lines.map((line) => `xlator-option[] = ${line}\n`).join(''),
  );
  expect(optionsOf(wanted, 'caching-io-cache')).toContain('option pass-through off');
  expect(optionsOf(wanted, 'caching-read-ahead')).toContain('option pass-through on');
});
