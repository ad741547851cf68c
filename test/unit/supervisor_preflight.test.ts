import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import type { ListenAddress } from '../../src/config/types.js';
import { accountId, listenProblem, preflight } from '../../src/preflight.js';
import { freePort } from '../support/ports.js';
import { Supervised, testConfig } from '../support/supervised.js';

let servers: Server[] = [];
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  servers = [];
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'gfserve-test-'));
  folders.push(made);
  return made;
}

async function occupy(where: { port: number; host: string } | { path: string }): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(where, resolve));
  servers.push(server);
}

const tcp = (host: string, port: number): ListenAddress => ({
  kind: 'tcp',
  host,
  port,
  text: `${host}:${port}`,
});
const unix = (path: string): ListenAddress => ({ kind: 'unix', path, text: `unix:${path}` });
const problems = async (...listen: ListenAddress[]) =>
  (await preflight(testConfig({ server: { listen } }))).map(({ message }) => message);

test('a free port is no problem, also not for every interface, and stays free', async () => {
  const port = await freePort();
  expect(await problems(tcp('127.0.0.1', port), tcp('', port))).toEqual([]);
  expect(await problems(tcp('127.0.0.1', port))).toEqual([]);
});

test.each(['127.0.0.1', ''])('a port that is taken is found, host "%s"', async (host) => {
  const port = await freePort();
  await occupy({ port, host: '127.0.0.1' });
  const [message, ...more] = await problems(tcp(host, port));
  expect(message).toMatch(/^\[server\] listen .*: something listens there already.*EADDRINUSE/);
  expect(more).toEqual([]);
});

test('the supervisor forks nothing onto a taken port, and exits with 1', async () => {
  const port = await freePort();
  await occupy({ port, host: '127.0.0.1' });
  const s = new Supervised(testConfig({ server: { listen: [tcp('127.0.0.1', port)] } }));
  expect(await s.exit).toEqual({ code: 1, signal: null });
  expect(s.stderr).toContain('GFS_LISTEN: ');
  expect(s.stdout).toBe('');
  await s.clean();
});

test('an address of another machine is found, and every problem is told', async () => {
  const port = await freePort();
  await occupy({ port, host: '127.0.0.1' });
  const found = await problems(tcp('192.0.2.1', port), tcp('127.0.0.1', port));
  expect(found).toHaveLength(2);
  expect(found[0]).toContain('EADDRNOTAVAIL');
});

test.each([
  ['EACCES', 80, /needs a privilege.*CAP_NET_BIND_SERVICE/],
  ['ENOTFOUND', 80, /the name has no address/],
  ['EWHATEVER', 80, /EWHATEVER/],
])('%s is explained', (errno, port, words) => {
  const problem = listenProblem('[server]', tcp('h', port), errno);
  expect(problem).toEqual({ code: 'GFS_LISTEN', message: expect.stringMatching(words) });
});

test('a live socket is a problem for the worker whose it would be', async () => {
  const path = join(folder(), 's');
  await occupy({ path: `${path}2` });
  expect(await problems(unix(`${path}%w`))).toEqual([expect.stringMatching(/EADDRINUSE/)]);
});

test('a stale socket is none, another file and a missing directory are', async () => {
  const own = folder();
  // Killed, a process leaves its socket behind.
  const script = `require('net').createServer().listen(${JSON.stringify(join(own, 'stale'))}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script], { env: { ...process.env, NODE_OPTIONS: '' } });
  writeFileSync(join(own, 'file'), '');
  expect(await problems(unix(join(own, 'stale')), unix(join(own, 'free')))).toEqual([]);
  expect(await problems(unix(join(own, 'file')))).toEqual([expect.stringMatching(/ENOTSOCK/)]);
  expect(await problems(unix(join(own, 'no/s')))).toEqual([expect.stringMatching(/ENOENT/)]);
});

test('accounts are looked up, and one that does not exist is named with its key', async () => {
  expect(accountId('user', 'root')).toBe(0);
  expect(accountId('group', 'root')).toBe(0);
  expect(accountId('user', '1234')).toBe(1234);
  const server = { user: 'no-such-user', group: 'no-such-group' };
  const found = await preflight(testConfig({ server }));
  expect(found).toEqual([
    { code: 'GFS_CONFIG', message: expect.stringMatching(/^\[server\] user: .*"no-such-user"/) },
    { code: 'GFS_CONFIG', message: expect.stringMatching(/^\[server\] group: .*"no-such-group"/) },
  ]);
});

test('capabilities are kept for a user, and not by root, who has them all', async () => {
  const asked = async (user: string | null) =>
    (await preflight(testConfig({ server: { capabilities: ['net_bind_service'], user } }))).map(
      ({ message }) => message,
    );
  expect(await asked('nobody')).toEqual([]);
  for (const user of [null, 'root', '0']) {
    expect(await asked(user)).toEqual([
      expect.stringMatching(/^\[server\] capabilities: workers stay root.*set user/),
    ]);
  }
});

test('a user may not listen below 1024, unless that is kept', async () => {
  const listen = [tcp('127.0.0.1', 81)];
  const [message] = (await preflight(testConfig({ server: { listen, user: 'nobody' } }))).map(
    (problem) => problem.message,
  );
  expect(message).toMatch(/not open to user "nobody": set capabilities = net_bind_service/);
  const kept = { listen, user: 'nobody', capabilities: ['net_bind_service'] as const };
  expect(await preflight(testConfig({ server: kept }))).toEqual([]);
});
