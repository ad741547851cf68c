/** What workers may do once they have given up root, thread by thread, and what that is good for. */
import { spawn, spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve, until } from '../support/gfserve.js';

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));
const LOW = { host: '127.1.1.250', port: 80 };
/** CAP_NET_BIND_SERVICE is bit 10. */
const NET_BIND_SERVICE = '0000000000000400';
const NONE = '0000000000000000';

let cluster: Cluster;
let config: string;

beforeAll(async () => {
  cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-caps-')), nodes: 1 });
  await cluster.createVolume('closed', { bricks: 1 });
  await writeFile(join(await cluster.mount('closed'), 'f.txt'), 'content');
  await cluster.setOption('closed', 'server.allow-insecure', 'off');
  config = `
[volume closed]
servers = ${cluster.addresses.join(', ')}
[mount main]
path = /
volume = closed
`;
}, 240_000);

afterAll(async () => {
  await cluster?.down();
}, 240_000);

function fetchText(where: http.RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get({ ...where, path: '/f.txt', agent: false }, (response) => {
      let text = '';
      response.on('data', (data: Buffer) => {
        text += data.toString();
      });
      response.on('end', () => resolve(`${response.statusCode} ${text}`));
    });
    request.on('error', reject);
  });
}

/** Of each thread: the user, and the sets of capabilities, by their names in /proc/PID/status. */
async function threadsOf(pid: number): Promise<Record<string, string>[]> {
  const ids = await readdir(`/proc/${pid}/task`);
  const texts = await Promise.all(
    // One may end meanwhile.
    ids.map((id) => readFile(`/proc/${pid}/task/${id}/status`, 'latin1').catch(() => '')),
  );
  return texts.flatMap((text) => {
    const found = [...text.matchAll(/^(Uid|Cap\w+):\s*(\S+)/gm)].map(([, key, value]) => [
      key,
      value,
    ]);
    return found.length === 0 ? [] : [Object.fromEntries(found) as Record<string, string>];
  });
}

const idOfNobody = (): string =>
  spawnSync('id', ['-u', 'nobody'], { encoding: 'utf8' }).stdout.trim();

test('net_bind_service and nothing else is kept by every thread: port 80, and bricks that take low ports only', async () => {
  const server = await Gfserve.start({
    config,
    workers: 2,
    server: `user = nobody\ngroup = nogroup\ncapabilities = net_bind_service\nlisten[] = ${LOW.host}:${LOW.port}`,
  });
  try {
    await until('the volume serves', 10_000, async () => (await fetchText(LOW)) === '200 content');
    const workers = await server.workers();
    expect(workers).toHaveLength(2);
    for (const { pid } of workers) {
      const threads = await threadsOf(pid);
      // V8's and libuv's were there before the change, libgfapi's came after it.
      expect(threads.length).toBeGreaterThan(15);
      for (const thread of threads) {
        expect(thread).toEqual({
          Uid: idOfNobody(),
          CapInh: NONE,
          CapPrm: NET_BIND_SERVICE,
          CapEff: NET_BIND_SERVICE,
          CapBnd: NET_BIND_SERVICE,
          CapAmb: NONE,
        });
      }
    }
  } finally {
    await server.stop();
  }
}, 240_000);

test('without it nothing is kept, the bricks refuse, and the log says what to do', async () => {
  const account = 'user = nobody\ngroup = nogroup';
  const server = await Gfserve.start({ config, server: account, lacksVolumes: true });
  try {
    const { pid } = await server.worker();
    for (const thread of await threadsOf(pid)) {
      expect(thread).toMatchObject({ Uid: idOfNobody(), CapPrm: NONE, CapEff: NONE, CapBnd: NONE });
    }
    expect(await fetchText({ host: '127.0.0.1', port: server.port })).toMatch(/^503 /);
    expect(server.log).toMatch(
      /take connections from ports below 1024 only \(server\.allow-insecure\).*capabilities = net_bind_service/,
    );
    // It is the brick that says so: once it does not mind any more, the volume heals.
    await cluster.setOption('closed', 'server.allow-insecure', 'on');
    await until('the volume serves', 20_000, async () => {
      return (await fetchText({ host: '127.0.0.1', port: server.port })) === '200 content';
    });
  } finally {
    await cluster.setOption('closed', 'server.allow-insecure', 'off');
    await server.stop();
  }
}, 240_000);

interface Outcome {
  readonly code: number | null;
  readonly log: string;
}

/**
 * gfserve as nobody, as systemd starts it, by setpriv; reading the program is one more capability, as the folder that it lies in
 * may be root's. Ended by SIGTERM when it is ready.
 */
async function asNobody(
  ambient: readonly string[],
  server: string,
): Promise<Outcome & { answer: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'gfserve-caps-'));
  await chmod(dir, 0o755);
  const ini = join(dir, 'server.ini');
  await writeFile(
    ini,
    `[server]\nlisten[] = ${LOW.host}:${LOW.port}\nworkers = 1\n${server}\n[log]\naccess = off\n${config}`,
  );
  const given = ['+dac_read_search', ...ambient.map((name) => `+${name}`)].join(',');
  const child = spawn(
    'setpriv',
    [
      ...['--reuid=nobody', '--regid=nogroup', '--clear-groups'],
      ...[
        `--inh-caps=${given}`,
        `--ambient-caps=${given}`,
        '--',
        process.execPath,
        CLI,
        '--config',
        ini,
      ],
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '', GFSERVE_LOG_STYLE: 'text' },
    },
  );
  let log = '';
  let answer = '';
  const collect = (data: Buffer): void => {
    log += data.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  try {
    await until('gfserve is ready or has ended', 20_000, () => isOver || log.includes('ready: '));
    if (!isOver) answer = await fetchText(LOW);
  } finally {
    child.kill('SIGTERM');
  }
  const code = await ended;
  await rm(dir, { recursive: true, force: true });
  return { code, log, answer };
}

test('without root it must be there already: given by systemd, it is enough', async () => {
  // The packaged example names the user, who it is already.
  const given = await asNobody(
    ['net_bind_service'],
    'user = nobody\ngroup = nogroup\ncapabilities = net_bind_service',
  );
  expect(given).toMatchObject({ code: 0, answer: '200 content' });
  const missing = await asNobody([], 'capabilities = net_bind_service');
  expect(missing).toMatchObject({ code: 1, answer: '' });
  expect(missing.log).toMatch(
    /\[server\] capabilities: .*AmbientCapabilities=CAP_NET_BIND_SERVICE/,
  );
  const unsaid = await asNobody([], '');
  expect(unsaid.code).toBe(1);
  expect(unsaid.log).toMatch(
    /port 80 needs a privilege.*capabilities = net_bind_service.*AmbientCapabilities/,
  );
}, 240_000);
