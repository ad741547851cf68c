/** The volume file as glusterd gives it, followed by itself and by gfserve: no graph of libgfapi's is ever exchanged. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { VolfileServer } from '../../src/config/types.js';
import { VolfileFollower } from '../../src/storage/volfile/follower.js';
import { get } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { section } from '../support/faults.js';
import { Gfserve, until } from '../support/gfserve.js';

const ENOENT = 2;
const CONTENT = 'content';

let cluster: Cluster;
const followers: VolfileFollower[] = [];

beforeAll(async () => {
  cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-volfile-')), nodes: 2 });
  await cluster.createVolume('site', { replica: 2 });
  await writeFile(join(await cluster.mount('site'), 'f.txt'), CONTENT);
}, 240_000);

afterAll(async () => {
  for (const follower of followers) follower.close();
  await cluster?.down();
}, 240_000);

const at = (node: number): VolfileServer => {
  const host = cluster.addresses[node - 1] ?? '';
  return { transport: 'tcp', host, port: 24007, text: host };
};

function follow(
  servers: readonly VolfileServer[],
  volume: string,
): { follower: VolfileFollower; heard: string[] } {
  const heard: string[] = [];
  const follower = new VolfileFollower(servers, volume, {
    heard: ({ text }) => heard.push(text),
    settled: () => undefined,
    lost: () => undefined,
  });
  followers.push(follower);
  return { follower, heard };
}

/** What glusterd keeps on node 1's disk for clients of its own host. */
const onDisk = (): Promise<string> =>
  readFile(join(cluster.dir, 'node1/glusterd/vols/site/trusted-site.tcp-fuse.vol'), 'latin1');

test('the text is what glusterd has', async () => {
  const { follower } = follow([at(1)], 'site');
  expect(await follower.fetch()).toEqual({
    ok: true,
    volfile: { text: await onDisk(), server: at(1).text },
  });
});

test('over the unix socket it is the same', async () => {
  const path = join(cluster.dir, 'node1/glusterd.sock');
  const { follower } = follow([{ transport: 'unix', path, text: path }], 'site');
  expect(await follower.fetch()).toMatchObject({ ok: true, volfile: { text: await onDisk() } });
});

test('a volume that does not exist is ENOENT', async () => {
  const { follower } = follow([at(1)], 'nowhere');
  const refused = { ok: false, kind: 'refused', server: at(1).text, errno: ENOENT };
  expect(await follower.fetch()).toEqual(refused);
});

test('an option is heard of before its command has ended, or within a second of that', async () => {
  const { follower, heard } = follow([at(1)], 'site');
  await follower.fetch();
  await cluster.setOption('site', 'performance.io-cache', 'on');
  const tookMs = await until('it is heard', 1_000, () => heard.length > 0);
  console.log(`heard ${Math.round(tookMs)} ms after the command`);
  expect(heard.at(-1)).toBe(await onDisk());
  expect(heard.at(-1)).toContain('type performance/io-cache');
});

test('a dead first server is passed over, and one that dies is left', async () => {
  const { follower, heard } = follow([at(2), at(1)], 'site');
  expect(await follower.fetch()).toMatchObject({ ok: true, volfile: { server: at(2).text } });
  await cluster.killGlusterd(2);
  try {
    const other = follow([at(2), at(1)], 'site').follower;
    expect(await other.fetch()).toMatchObject({ ok: true, volfile: { server: at(1).text } });
    await cluster.setOption('site', 'performance.io-cache', 'off');
    await until('it is heard', 10_000, () => heard.length > 0);
    expect(heard.at(-1)).toBe(await onDisk());
  } finally {
    await cluster.startGlusterd(2);
  }
}, 240_000);

test('gfserve takes over to a new connection for each change, a burst is few, and no request fails', async () => {
  const server = await Gfserve.start({ config: section(cluster, 'site') });
  const count = (what: string): number => server.log.split(what).length - 1;
  const asked: number[] = [];
  let over = false;
  const load = (async () => {
    while (!over) asked.push((await get(server.port, '/site/f.txt')).status);
  })();
  try {
    await cluster.setOption('site', 'performance.io-cache', 'on');
    const tookMs = await until('it has taken over', 5_000, () => count('connected anew') === 1);
    console.log(`taken over ${Math.round(tookMs)} ms after the command`);
    expect(server.log).toMatch(/volume site: its layout has changed/);
    for (let i = 0; i < 10; i++) {
      await cluster.setOption('site', 'performance.io-cache', i % 2 === 0 ? 'off' : 'on');
    }
    await until('the last one is in use', 10_000, () => {
      const changes = count('its layout has changed');
      return changes > 1 && server.log.lastIndexOf('anew') > server.log.lastIndexOf('changed\n');
    });
    expect(count('connected anew')).toBeLessThanOrEqual(count('its layout has changed'));
  } finally {
    over = true;
    await load;
    await server.stop();
  }
  expect(asked.length).toBeGreaterThan(50);
  expect(asked.filter((status) => status !== 200)).toEqual([]);
}, 240_000);

test('with all glusterds dead it serves on, and follows again when one is back', async () => {
  const server = await Gfserve.start({ config: section(cluster, 'site') });
  const anew = (): number => server.log.split('connected anew').length - 1;
  try {
    for (const node of [1, 2]) await cluster.killGlusterd(node);
    expect((await get(server.port, '/site/f.txt')).body.toString()).toBe(CONTENT);
    await cluster.startGlusterd(1);
    await cluster.startGlusterd(2);
    expect(anew()).toBe(0);
    await cluster.setOption('site', 'performance.read-ahead', 'on');
    await until('it has taken over', 15_000, () => anew() > 0);
    expect((await get(server.port, '/site/f.txt')).body.toString()).toBe(CONTENT);
  } finally {
    await server.stop();
  }
}, 240_000);
