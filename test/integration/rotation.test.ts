/** The access log: rotated under load, on a full disk, and against those who want to write in it themselves. */

import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { get } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { askExactly } from '../support/exact_load.js';
import { Gfserve, until } from '../support/gfserve.js';
import { KeepAliveLoad } from '../support/keep_alive.js';
import { readLines } from '../support/log_lines.js';
import { RawConnection } from '../support/raw.js';
import { mountTmpfs } from '../support/tmpfs.js';

let cluster: Cluster;
let config: string;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gfserve-rotation-'));
  cluster = await Cluster.up({ dir: join(dir, 'cluster'), nodes: 1 });
  await cluster.createVolume('site', { bricks: 1 });
  await writeFile(join(await cluster.mount('site'), 'f.txt'), 'content');
  config = `
[volume site]
servers = ${cluster.addresses.join(', ')}
[mount main]
path = /
volume = site
`;
}, 240_000);

afterAll(async () => {
  await cluster?.down();
  await rm(dir, { recursive: true, force: true });
}, 240_000);

test('fifty rotations under load, and reloads among them, lose no line', async () => {
  const file = join(dir, 'access.log');
  const log = `[log]\naccess = ${file}\n`;
  const server = await Gfserve.start({ config: `${log}${config}`, workers: 2 });
  const load = new KeepAliveLoad({
    where: { port: server.port },
    url: '/f.txt',
    expected: '200 content',
    connections: 16,
    pauseMs: 5,
  });
  let counts = load.counts;
  try {
    for (let number = 1; number <= 50; number += 1) {
      renameSync(file, `${file}.${number}`);
      server.signal('SIGUSR1');
      await until('the log is made anew', 10_000, () => existsSync(file));
      if (number % 20 === 0) expect((await server.sighup()).outcome).toBe('applied');
    }
    counts = await load.stop();
    for (const { logLinesLost } of await server.workers()) expect(logLinesLost).toBe(0);
  } finally {
    await load.stop();
    expect((await server.stop()).code).toBe(0);
  }
  const logs = readdirSync(dir).filter((name) => name.startsWith('access.log'));
  expect(logs).toHaveLength(51);
  const lines = logs.flatMap((name) => readFileSync(join(dir, name), 'utf8').split('\n'));
  const whole =
    /^127\.0\.0\.1 - - \[[^\]]+\] "GET \/f\.txt HTTP\/1\.1" 200 7 "-" "-" "x" \d+\.\d{6} (hit|miss|revalidated) site$/;
  expect(lines.filter((line) => line !== '' && !whole.test(line))).toEqual([]);
  expect(counts).toMatchObject({ lostFirst: 0, lostLater: 0, wrong: [] });
  expect(lines.filter((line) => line !== '')).toHaveLength(counts.right);
  expect(counts.right).toBeGreaterThan(500);
});

test('a full disk fails no request, what it costs is told, and with room again lines are written', async () => {
  const disk = join(dir, 'disk');
  const unmount = await mountTmpfs(disk, 1024 * 1024);
  const file = join(disk, 'access.log');
  const filler = join(disk, 'filler');
  await writeFile(filler, Buffer.alloc(768 * 1024));
  const server = await Gfserve.start({ config: `[log]\naccess = ${file}\n${config}` });
  const ask = (count: number) => {
    const { port } = server;
    return askExactly({ port, path: '/f.txt', count, connections: 16, expected: 'content' });
  };
  const lost = async () => (await server.worker()).logLinesLost ?? 0;
  const shape = /^127\.0\.0\.1 - - \[.*\] "GET \/f\.txt HTTP\/1\.1" 200 7 .* site$/;
  try {
    expect(await ask(6_000)).toEqual({ answered: 6_000, problems: [] });
    await until('lines are lost', 10_000, async () => (await lost()) > 0);
    await rm(filler);
    expect(await ask(100)).toEqual({ answered: 100, problems: [] });
    // Nothing is counted twice, and nothing is forgotten.
    await until('all is written', 10_000, async () => {
      return (await readLines([file], shape)).right + (await lost()) === 6_100;
    });
    expect(readFileSync(file, 'latin1')).toMatch(/ site\n$/);
    expect(server.log).toMatch(/access log: \d+ lines lost: ENOSPC/);
    const page = await (await fetch(`http://127.0.0.1:${server.adminPort}/metrics`)).text();
    expect(page).toContain(`gfserve_access_log_lost_lines_total{worker="1"} ${await lost()}\n`);
  } finally {
    await server.stop();
    await unmount();
  }
}, 240_000);

test('no request writes a second line, or ends a field', async () => {
  const file = join(dir, 'forged.log');
  const server = await Gfserve.start({ config: `[log]\naccess = ${file}\n${config}` });
  const forged = '127.0.0.1 - - [x] "GET /forged HTTP/1.1" 200 7 "-" "-"';
  const attempts = [
    `GET /f.txt?%0a${encodeURIComponent(forged)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    `GET /f.txt?\n${forged} HTTP/1.1\r\nHost: a\r\n\r\n`,
    `GET /f.txt HTTP/1.1\r\nHost: a\r\nUser-Agent: x"\n${forged}\r\n\r\n`,
    `GET /f.txt HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r${forged}\r\n\r\n`,
    `GET /f.txt HTTP/1.1\r\nHost: a\r\nReferer: " "\\"${forged}\r\n\r\n`,
    `GET /f.txt HTTP/1.1\r\nHost: a\r\nUser-Agent: \u0085${forged}\u2028\r\n\r\n`,
  ];
  try {
    for (const attempt of attempts) {
      const connection = new RawConnection(server.port);
      await connection.send([Buffer.from(attempt)]);
      // The parser waits for more of some, as they do not end where they seem to.
      await connection.until(() => connection.received.length > 0, 500);
      connection.close();
    }
    expect((await get(server.port, '/f.txt?last')).status).toBe(200);
  } finally {
    await server.stop();
  }
  const lines = readFileSync(file, 'latin1').trimEnd().split('\n');
  expect(lines.at(-1)).toContain('?last');
  // Some attempts are no HTTP, and get 400 from the parser without a line.
  expect(lines.length).toBeGreaterThanOrEqual(4);
  expect(lines.length).toBeLessThanOrEqual(attempts.length + 1);
  const shape =
    /^127\.0\.0\.1 - - \[[^\]]+\] "GET [^ "]* HTTP\/1\.1" \d{3} \d+ "[^"]*" "[^"]*" "[^"]*" \d+\.\d{6} [a-z]+ (site|-)$/;
  for (const line of lines) {
    expect(line).toMatch(shape);
    expect(line).toMatch(/^[\x20-\x7e]*$/);
  }
});
