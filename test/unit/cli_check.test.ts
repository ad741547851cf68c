import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';
import { type ConnectOnce, check } from '../../src/check.js';

const folder = mkdtempSync(join(tmpdir(), 'gfserve-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));
const env = { ...process.env, NODE_OPTIONS: '' };
const gfserve = (...args: string[]) =>
  spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8', env });

const good = join(folder, 'good.ini');
writeFileSync(
  good,
  `[server]
listen[] = 127.0.0.1:8080
workers = 2
[volume a]
servers = 192.0.2.1, 192.0.2.2:24008
[volume long]
servers = 192.0.2.3
volname = other
[mount main]
path = /
host = example.org
volume = a
root = /htdocs
`,
);
const bad = join(folder, 'bad.ini');
writeFileSync(bad, '[server]\nlisten[] = 127.0.0.1\nworkrs = 1\n[mount m]\npath = x\n');

const summary = [
  `${good} is valid`,
  'listener http://127.0.0.1:8080',
  'volume a     servers 192.0.2.1, 192.0.2.2:24008  threads 8',
  'volume long  other  servers 192.0.2.3  threads 8',
  'mount main  /  example.org -> a:/htdocs',
];

test('a good configuration: a summary, its warnings, status 0', () => {
  const { status, stdout, stderr } = gfserve('check', '--config', good);
  expect(stdout.trimEnd().split('\n')).toEqual(summary);
  expect(stderr).toMatch(/^warning: .*\[volume long\]: no mount uses this volume\n$/);
  expect(status).toBe(0);
});

test.each([['check'], ['serve']])('a bad one: %s prints every error, status 1', (command) => {
  const { status, stdout, stderr } = gfserve(command, '--config', bad);
  expect(status).toBe(1);
  expect(stdout).toBe('');
  for (const place of ['bad.ini:2: [server] listen', 'bad.ini:3: [server] workrs', 'bad.ini:5: ']) {
    expect(stderr).toContain(place);
  }
  expect(stderr).toMatch(/GFS_CONFIG: .*bad\.ini has \d+ errors\n$/);
});

test('a file that is not there: one line, status 1', () => {
  const { status, stderr } = gfserve('check', '--config', join(folder, 'no.ini'));
  expect(status).toBe(1);
  expect(stderr).not.toContain('    at ');
});

test('help, version and wrong usage', () => {
  expect(gfserve('--help')).toMatchObject({ status: 0, stderr: '' });
  expect(gfserve('--version').stdout).toMatch(/^gfserve \d+\.\d+\.\d+\n$/);
  const wrong = gfserve('chekc');
  expect(wrong).toMatchObject({ status: 2, stdout: '' });
  expect(wrong.stderr).toContain('did you mean "check"?');
});

test('a reader of stdout that has gone is no reason for a stack trace', async () => {
  const child = spawn(process.execPath, [CLI, 'check', '--config', good], { env });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.on('data', (bytes: Buffer) => {
    stderr += bytes.toString();
  });
  const status = await new Promise((resolve) => child.once('close', resolve));
  expect(stderr).not.toContain('EPIPE');
  expect(status).toBe(0);
});

test('with --connect all volumes are connected at the same time, and one failure is enough', async () => {
  const out: string[] = [];
  const err: string[] = [];
  const deadlines: number[] = [];
  const connect: ConnectOnce = async ({ name }, { deadlineMs }) => {
    deadlines.push(deadlineMs);
    // Both must have begun before one may end.
    while (deadlines.length < 2) await sleep(1);
    return name === 'a'
      ? { ok: true, ms: 34.6, server: '192.0.2.2:24008' }
      : { ok: false, ms: 3000, code: 'GFS_VOLUME_DOWN', message: 'nobody\nanswered' };
  };
  const output = { out: (line: string) => out.push(line), err: (line: string) => err.push(line) };
  expect(await check(good, output, connect)).toBe(1);
  expect(out.slice(summary.length)).toEqual([
    'volume a connected in 35 ms through 192.0.2.2:24008',
  ]);
  expect(err.slice(1)).toEqual([
    'volume long failed after 3000 ms: GFS_VOLUME_DOWN: nobody\\x0aanswered',
  ]);
  const fine: ConnectOnce = async () => ({ ok: true, ms: 1, server: 's' });
  expect(await check(good, output, fine)).toBe(0);
});
