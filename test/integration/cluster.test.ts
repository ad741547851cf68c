/** The development cluster itself: it must be trusted before anything tested with it can be. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mountsUnder } from '../support/cluster/cleanup.js';
import { Cluster, CommandError } from '../support/cluster/cluster.js';
import { clusterProcesses } from '../support/cluster/processes.js';

const HERE = dirname(fileURLToPath(import.meta.url));
const CLUSTER_MODULE = join(HERE, '..', 'support', 'cluster', 'cluster.js');
const newDir = (): Promise<string> => mkdtemp(join(tmpdir(), 'gfserve-cluster-test-'));

async function expectNothingLeft(dir: string): Promise<void> {
  expect(await clusterProcesses(dir)).toEqual([]);
  expect(await mountsUnder(dir)).toEqual([]);
  expect(existsSync(dir)).toBe(false);
}

/** The sockets of this cluster's daemons outside its folder. */
async function socketsOf(cluster: Cluster): Promise<string[]> {
  const list = await readFile(join(cluster.dir, 'sockets'), 'utf8');
  return list.trim().split('\n');
}

describe('a cluster of three nodes', () => {
  let cluster: Cluster;
  let mount: string;

  beforeAll(async () => {
    cluster = await Cluster.up({ dir: await newDir() });
    await cluster.createVolume('web', {
      replica: 3,
      options: { 'network.ping-timeout': '2' },
    });
    mount = await cluster.mount('web');
    await writeFile(join(mount, 'hello.txt'), 'hello');
  });

  afterAll(async () => {
    await cluster.down();
  });

  test('has a brick on each node, all online', async () => {
    const bricks = await cluster.bricks('web');
    expect(bricks.map((brick) => brick.state)).toEqual(['online', 'online', 'online']);
    expect(bricks.map((brick) => brick.address)).toEqual(cluster.addresses);
    expect(bricks.map((brick) => brick.index)).toEqual([0, 1, 2]);
    const glusterds = await cluster.glusterds();
    expect(glusterds.map((glusterd) => glusterd.state)).toEqual(['online', 'online', 'online']);
  });

  test('stores what is written to a mount on each brick', async () => {
    expect(await readFile(join(mount, 'hello.txt'), 'utf8')).toBe('hello');
    for (const { path } of await cluster.bricks('web')) {
      expect(await readFile(join(path, 'hello.txt'), 'utf8')).toBe('hello');
    }
  });

  test('sets volume options and shows them', async () => {
    await cluster.setOption('web', 'performance.io-cache', 'off');
    const [volume] = await cluster.volumes();
    expect(volume).toMatchObject({ name: 'web', started: true, replica: 3 });
    expect(volume?.options).toMatchObject({
      'performance.io-cache': 'off',
      'network.ping-timeout': '2',
    });
  });

  test('says which command failed and why', async () => {
    const failure = cluster.setOption('web', 'no.such-option', '1');
    await expect(failure).rejects.toThrow(CommandError);
    await expect(failure).rejects.toThrow(/volume set web no\.such-option 1.*does not exist/s);
  });

  test('takes a volume back whose options are wrong', async () => {
    const options = { 'no.such-option': '1' };
    await expect(cluster.createVolume('wrong', { bricks: 1, options })).rejects.toThrow('wrong');
    expect((await cluster.volumes()).map((volume) => volume.name)).toEqual(['web']);
  });

  test('freezes a brick and lets it go on', async () => {
    await cluster.stopBrick('web', 1);
    expect((await cluster.bricks('web'))[1]?.state).toBe('stopped');
    expect(await readFile(join(mount, 'hello.txt'), 'utf8')).toBe('hello');
    await cluster.contBrick('web', 1);
    expect((await cluster.bricks('web'))[1]?.state).toBe('online');
  });

  test('kills a brick and starts it again', async () => {
    const [before] = await cluster.bricks('web');
    await cluster.killBrick('web', 0);
    expect((await cluster.bricks('web'))[0]).toMatchObject({ state: 'offline', pid: null });
    await cluster.startBricks('web');
    const [after] = await cluster.bricks('web');
    expect(after?.state).toBe('online');
    expect(after?.pid).not.toBe(before?.pid);
  });

  test('lives on without a glusterd, and takes it back with what changed meanwhile', async () => {
    await cluster.killGlusterd(1);
    expect((await cluster.glusterds())[0]?.state).toBe('offline');
    expect((await cluster.bricks('web'))[0]?.state).toBe('online');
    await cluster.setOption('web', 'performance.io-cache', 'on');
    await cluster.startGlusterd(1);
    expect((await cluster.glusterds())[0]?.state).toBe('online');
    expect((await cluster.bricks('web'))[0]?.state).toBe('online');
    expect(await cluster.gluster('volume', 'get', 'web', 'performance.io-cache')).toMatch(/ on/);
  });

  test('freezes a glusterd and lets it go on', async () => {
    await cluster.stopGlusterd(3);
    expect((await cluster.glusterds())[2]?.state).toBe('stopped');
    await cluster.contGlusterd(3);
    expect((await cluster.glusterds())[2]?.state).toBe('online');
    expect(await cluster.gluster('volume', 'list')).toBe('web\n');
  });

  test('deletes a volume with its files', async () => {
    await cluster.createVolume('brief', { bricks: 2 });
    const bricks = await cluster.bricks('brief');
    const path = await cluster.mount('brief');
    await cluster.deleteVolume('brief');
    expect(existsSync(path)).toBe(false);
    expect(bricks.map((brick) => existsSync(brick.path))).toEqual([false, false]);
    await expect(cluster.bricks('brief')).rejects.toThrow('no volume brief');
  });

  test('refuses a folder whose cluster runs, its own and one that is no cluster', async () => {
    const script = `
      const { Cluster } = await import(${JSON.stringify(CLUSTER_MODULE)});
      await Cluster.up({ dir: ${JSON.stringify(cluster.dir)} });`;
    const { code, output } = await runNode(script);
    expect(output).toContain(`the cluster of process ${process.pid} is there`);
    expect(code).toBe(1);

    const dir = await newDir();
    await mkdir(join(dir, 'precious'));
    await expect(Cluster.up({ dir })).rejects.toThrow("not a cluster's folder");
    expect(await readdir(dir)).toEqual(['precious']);
    await rm(dir, { recursive: true });
  });

  test('says who holds an address that is taken', async () => {
    const dir = await newDir();
    const firstAddress = Number(cluster.addresses[0]?.split('.')[3]);
    await expect(Cluster.up({ dir, nodes: 1, firstAddress })).rejects.toThrow(
      /can't use addresses 127\.1\.1\.\d+: pid \d+ \(.*gluster.*\) listens on 127\.1\.1\./,
    );
    await rm(dir, { recursive: true });
  });

  test('a second cluster starts beside it and goes without touching it', async () => {
    const second = await Cluster.up({ dir: await newDir(), nodes: 2 });
    expect(second.addresses.filter((one) => cluster.addresses.includes(one))).toEqual([]);
    await second.createVolume('web', { replica: 2 });
    const path = await second.mount('web');
    await writeFile(join(path, 'second.txt'), '2');
    expect(existsSync(join(mount, 'second.txt'))).toBe(false);
    await second.down();
    await expectNothingLeft(second.dir);
    const states = (await cluster.bricks('web')).map((brick) => brick.state);
    expect(states).toEqual(['online', 'online', 'online']);
    expect(await readFile(join(mount, 'hello.txt'), 'utf8')).toBe('hello');
  });

  test('leaves nothing when it goes down, even with a frozen brick under a mount', async () => {
    const sockets = await socketsOf(cluster);
    expect(sockets.length).toBeGreaterThanOrEqual(6);
    expect(sockets.some((path) => existsSync(path))).toBe(true);
    await cluster.stopBrick('web', 0);
    await cluster.stopGlusterd(2);
    await cluster.down();
    await expectNothingLeft(cluster.dir);
    expect(sockets.filter((path) => existsSync(path))).toEqual([]);
    await cluster.down();
  });
});

/** Runs a module given as text in a process of its own. */
function runNode(script: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** Starts a cluster, with a mounted volume and a frozen brick, in a process that is then killed. */
async function abandonCluster(dir: string): Promise<void> {
  const script = `
    const { Cluster } = await import(${JSON.stringify(CLUSTER_MODULE)});
    const cluster = await Cluster.up({ dir: ${JSON.stringify(dir)}, nodes: 2 });
    await cluster.createVolume('web', { replica: 2 });
    await cluster.mount('web');
    await cluster.stopBrick('web', 1);
    process.kill(process.pid, 'SIGKILL');`;
  const { code, output } = await runNode(script);
  expect({ code, output }).toEqual({ code: null, output: '' });
  // Two glusterds, two bricks, two self-heal daemons, one mount.
  expect(await clusterProcesses(dir)).toHaveLength(7);
  expect(await mountsUnder(dir)).toHaveLength(1);
}

describe('what a killed process left', () => {
  test('is cleaned by the next start in the same folder', async () => {
    const dir = await newDir();
    await abandonCluster(dir);
    const left = await clusterProcesses(dir);
    const cluster = await Cluster.up({ dir, nodes: 1 });
    const now = (await clusterProcesses(dir)).map((one) => one.pid);
    expect(left.filter((one) => now.includes(one.pid))).toEqual([]);
    expect(await cluster.volumes()).toEqual([]);
    await cluster.down();
    await expectNothingLeft(dir);
  });

  test('is found by its folder and cleaned, and living clusters are left alone', async () => {
    const prefix = `gfserve-stale-${process.pid}-`;
    const dead = await mkdtemp(join(tmpdir(), prefix));
    const living = await mkdtemp(join(tmpdir(), prefix));
    await abandonCluster(dead);
    const cluster = await Cluster.up({ dir: living, nodes: 1 });
    expect(await Cluster.cleanStale(prefix)).toEqual([dead]);
    await expectNothingLeft(dead);
    expect((await cluster.glusterds())[0]?.state).toBe('online');
    await cluster.down();
  });
});
