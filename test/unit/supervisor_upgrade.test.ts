/** What supervisors do when one is told to put another one in its place. */
import { existsSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ListenAddress } from '../../src/config/types.js';
import { upgrade } from '../../src/reload_command.js';
import { readUpgradeReport } from '../../src/reload_report.js';
import { Successor } from '../../src/successor.js';
import { freePort } from '../support/ports.js';
import { type Changes, isAlive, Supervised, testConfig, until } from '../support/supervised.js';

let running: Supervised[] = [];

afterEach(async () => {
  for (const each of running) {
    for (const pid of supervisors(each)) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  }
  await Promise.all(running.map((each) => each.clean()));
  running = [];
});

function run(changes: Changes = {}, mode = 'ok', readyMs = 60_000): Supervised {
  const supervised = new Supervised(testConfig(changes), mode, readyMs);
  running.push(supervised);
  return supervised;
}

/** Those that this one and its successors have been, in order. */
const supervisors = (s: Supervised): number[] => [
  s.pid,
  ...[...s.stdout.matchAll(/^successor (\d+)$/gm)].map(([, pid]) => Number(pid)),
];

const told = (s: Supervised, word: string): number[] =>
  [...s.stdout.matchAll(new RegExp(`^${word} \\d+ (\\d+)$`, 'gm'))].map(([, pid]) => Number(pid));

const tcp = (port: number): ListenAddress => ({
  kind: 'tcp',
  host: '127.0.0.1',
  port,
  text: `127.0.0.1:${port}`,
});

const unix = (path: string): ListenAddress => ({ kind: 'unix', path, text: `unix:${path}` });

function textOf(where: http.RequestOptions, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get({ ...where, path, agent: false }, (response) => {
      let text = '';
      response.on('data', (data: Buffer) => {
        text += data.toString();
      });
      response.on('end', () => resolve(text));
    });
    request.on('error', reject);
  });
}

async function status(where: http.RequestOptions): Promise<Record<string, unknown>> {
  return JSON.parse(await textOf(where, '/status')) as Record<string, unknown>;
}

const gone = (pid: number | undefined): (() => boolean) => {
  return () => pid === undefined || !isAlive(pid);
};

/** Upgrades; returns the number of the one that has taken over. */
async function upgraded(s: Supervised): Promise<number> {
  const before = supervisors(s);
  process.kill(before.at(-1) ?? 0, 'SIGUSR2');
  await until('another supervisor', () => supervisors(s).length > before.length);
  const pid = supervisors(s).at(-1) ?? 0;
  await s.says(new RegExp(`process ${pid} serves in the place of ${before.at(-1)}\n`));
  return pid;
}

describe('a good upgrade', () => {
  test('gives each socket to the new one, the pid-file too; the old one retires its workers and ends', async () => {
    const { folder } = run();
    const pidFile = join(folder, 'pid');
    const listen = [tcp(await freePort())];
    const admin = await freePort();
    const s = await run({ server: { listen, pidFile }, admin: { listen: tcp(admin) } }).ready();
    const old = [...s.pids(1), ...s.pids(2)];
    await until('the workers have left their sockets', () => told(s, 'leaves').length === 2);
    const pid = await upgraded(s);
    expect(readFileSync(pidFile, 'utf8')).toBe(`${pid}\n`);
    await until('the old one is gone', gone(s.pid));
    expect(told(s, 'retire').toSorted()).toEqual(old.toSorted());
    await s.says(/process \d+ is done after [\d.]+ s: 4 requests finished, 2 cut off/);
    expect(old.filter(isAlive)).toEqual([]);
    const key = `tcp:127.0.0.1:${listen[0]?.kind === 'tcp' ? listen[0].port : 0}`;
    expect(s.stdout.match(/^inherits .*$/gm)?.toSorted()).toEqual([
      `inherits 1 ${key}`,
      `inherits 2 ${key}`,
    ]);
    expect(s.stdout).toContain(`notify {"MAINPID":"${pid}","READY":"1"}\n`);
    expect(await status({ port: admin })).toMatchObject({
      pid,
      predecessor: null,
      generation: 1,
      workers: [
        { number: 1, state: 'ready' },
        { number: 2, state: 'ready' },
      ],
    });
    process.kill(pid, 'SIGTERM');
    await until('the new one is gone', gone(pid));
    expect(existsSync(pidFile)).toBe(false);
    expect(existsSync(`${pidFile}.upgrade`)).toBe(false);
    expect(await s.exit).toEqual({ code: 0, signal: null });
  });

  test('goes on to count where the old one ends, also while that one is at work', async () => {
    const admin = await freePort();
    const s = await run(
      { admin: { listen: tcp(admin) }, drainTimeoutMs: 1000 },
      'stubborn',
    ).ready();
    const total = async (): Promise<number> => {
      const page = await textOf({ port: admin }, '/metrics');
      return Number(/^gfserve_http_requests_total\{.*\} (\d+)$/m.exec(page)?.[1]);
    };
    const states = async (): Promise<string> => {
      const page = await textOf({ port: admin }, '/metrics');
      return (page.match(/^gfserve_workers\{.*$/gm) ?? []).join(' ');
    };
    const before = await total();
    expect(before).toBe(16);
    await upgraded(s);
    // Two workers here and there, and each was asked once or more.
    expect(await total()).toBeGreaterThanOrEqual(before + 16);
    await until('the old workers retire', () => told(s, 'retire').length === 2);
    while (!(await states()).includes('gfserve_workers{state="draining"} 2')) await sleep(20);
    await until('the old one is gone', gone(s.pid));
    expect(await total()).toBeGreaterThanOrEqual(before + 18);
    expect(await states()).toContain('gfserve_workers{state="draining"} 0');
  });

  test('keeps unix sockets of both kinds where they are, and removes those that are not wanted', async () => {
    const { folder } = run();
    const paths = ['kept', 'left', 'admin', 'admin2'].map((name) => join(folder, name));
    const [kept = '', left = '', admin = '', admin2 = ''] = paths;
    const s = await run({
      server: { workers: 1, listen: [unix(kept), unix(left)] },
      admin: { listen: unix(admin) },
    });
    await s.says(/ready: 1 worker/);
    const configure = (at: string): void =>
      s.configure(
        testConfig({ server: { workers: 1, listen: [unix(kept)] }, admin: { listen: unix(at) } }),
      );
    configure(admin);
    const second = await upgraded(s);
    await until('the old one is gone', gone(s.pid));
    expect(await status({ socketPath: admin })).toMatchObject({ pid: second });
    expect(paths.map((path) => existsSync(path))).toEqual([false, false, true, false]);
    configure(admin2);
    const third = await upgraded(s);
    await until('the second one is gone', gone(second));
    expect(await status({ socketPath: admin2 })).toMatchObject({ pid: third });
    expect(existsSync(admin)).toBe(false);
    process.kill(third, 'SIGTERM');
    await until('the third one is gone', gone(third));
    expect(existsSync(admin2)).toBe(false);
  });
});

describe('a bad upgrade leaves all as it was', () => {
  test.each([
    ['ends at once', 'dies', 60_000, /the new gfserve exited with status 7; what it said/],
    ['says nothing', 'mute', 1000, /the new gfserve was not ready within 1 s/],
    ['has workers that fail', 'fails', 60_000, /no worker can start: GFS_LISTEN: it would not/],
    ['has workers that are never ready', 'slow', 2000, /was not ready within 2 s/],
  ])('when the new one %s', async (_what, mode, readyMs, reason) => {
    const { folder } = run();
    const pidFile = join(folder, 'pid');
    const admin = await freePort();
    const changes: Changes = {
      server: { pidFile },
      admin: { listen: tcp(admin) },
      drainTimeoutMs: 100,
    };
    const s = await run(changes, 'ok', readyMs).ready();
    const old = [...s.pids(1), ...s.pids(2)];
    s.setMode(mode);
    s.kill('SIGUSR2');
    await s.says(/upgrade: given up, this gfserve goes on/);
    expect(s.stderr).toMatch(reason);
    expect(old.every(isAlive)).toBe(true);
    expect(told(s, 'retire').filter((pid) => old.includes(pid))).toEqual([]);
    expect(readFileSync(pidFile, 'utf8')).toBe(`${s.pid}\n`);
    expect(await status({ port: admin })).toMatchObject({
      pid: s.pid,
      upgrades: { failed: 1, underWay: false, last: { outcome: 'given-up' } },
    });
    // And the next one is good.
    s.setMode('ok');
    if (mode === 'dies') {
      const pid = await upgraded(s);
      await until('the old one is gone', gone(s.pid));
      expect(readFileSync(pidFile, 'utf8')).toBe(`${pid}\n`);
    }
  });

  test('when the file has errors, wants another pid-file or a port that is taken', async () => {
    const { folder } = run();
    const pidFile = join(folder, 'pid');
    const other = await freePort();
    await run({ admin: { listen: tcp(other) } }).ready();
    const s = await run({ server: { pidFile } }).ready();
    const failures = (): number => s.stderr.match(/upgrade: given up/g)?.length ?? 0;
    const fails = async (): Promise<void> => {
      const before = failures();
      s.kill('SIGUSR2');
      await until('a failure', () => failures() > before);
    };
    s.spoil({ file: 'x.ini', line: 3, section: null, key: null, message: 'is odd' });
    await fails();
    expect(s.stderr).toContain('x.ini:3: is odd');
    s.configure(testConfig({ server: { pidFile: `${pidFile}2` } }));
    await fails();
    expect(s.stderr).toMatch(/pid-file: cannot be changed by a reload or an upgrade/);
    expect(existsSync(`${pidFile}2`)).toBe(false);
    s.configure(testConfig({ server: { pidFile }, admin: { listen: tcp(other) } }));
    await fails();
    expect(s.stderr).toMatch(/GFS_LISTEN: \[admin\] listen/);
    expect(readFileSync(pidFile, 'utf8')).toBe(`${s.pid}\n`);
    expect(s.pids(1)).toHaveLength(1);
  });
});

describe('signals meanwhile', () => {
  test('a wish to end that came before anybody was told of it is told', async () => {
    const said = "process.send({ type: 'stop', atOnce: false })";
    const successor = new Successor({ program: process.execPath, args: ['-e', said] });
    await successor.gone;
    const told: boolean[] = [];
    successor.onStop = (atOnce) => told.push(atOnce);
    expect(told).toEqual([false]);
  });

  test('a second SIGUSR2 is refused; SIGHUP waits, and comes when the upgrade has failed', async () => {
    const s = await run({ drainTimeoutMs: 100 }, 'ok', 3000).ready();
    s.setMode('mute');
    s.kill('SIGUSR2');
    await s.says(/SIGUSR2: starting/);
    s.kill('SIGUSR2');
    await s.says(/SIGUSR2: refused, as an upgrade is under way, by process \d+/);
    s.kill('SIGHUP');
    await s.says(/SIGHUP: a reload will follow the upgrade/);
    await s.says(/upgrade: given up[\s\S]*SIGHUP: reading test.ini anew/);
  });

  test('a SIGHUP that came meanwhile is for the new one, and a SIGUSR1', async () => {
    const s = await run().ready();
    s.setMode('slow');
    s.kill('SIGUSR2');
    await until('new workers', () => told(s, 'slow').length === 2);
    s.kill('SIGHUP');
    s.kill('SIGUSR1');
    await until('both are seen', () => told(s, 'reopens').length === 2);
    s.setMode('ok');
    for (const pid of told(s, 'slow')) process.kill(pid, 'SIGKILL');
    await s.says(/serves in the place of/);
    await s.says(/reload: done/);
    await until('new workers reopen', () => told(s, 'reopens').length >= 4);
  });

  test('SIGTERM ends both, and all their workers', async () => {
    const { folder } = run();
    const pidFile = join(folder, 'pid');
    const s = await run({ server: { pidFile } }).ready();
    s.setMode('slow');
    s.kill('SIGUSR2');
    await until('new workers', () => told(s, 'slow').length === 2);
    const pids = [...supervisors(s), ...s.pids(1), ...s.pids(2), ...told(s, 'slow')];
    s.kill('SIGTERM');
    expect(await s.exit).toEqual({ code: 0, signal: null });
    expect(pids).toHaveLength(6);
    await until('all are gone', () => !pids.some(isAlive));
    expect(existsSync(pidFile)).toBe(false);
  });

  test('SIGTERM to the new one ends the old one too, which has not finished', async () => {
    const s = await run({ drainTimeoutMs: 60_000 }, 'stubborn').ready();
    s.setMode('ok');
    const pid = await upgraded(s);
    expect(isAlive(s.pid)).toBe(true);
    process.kill(pid, 'SIGTERM');
    await until('the old workers are told', () => told(s, 'drain').length === 4);
    process.kill(pid, 'SIGTERM');
    await until('both are gone', () => gone(pid)() && gone(s.pid)());
  });

  test('a SIGUSR1 to the new one reaches the old one, which has not finished', async () => {
    const s = await run({ drainTimeoutMs: 60_000 }, 'stubborn').ready();
    const old = [...s.pids(1), ...s.pids(2)];
    s.setMode('ok');
    const pid = await upgraded(s);
    const workers = [...s.pids(1), ...s.pids(2)];
    process.kill(pid, 'SIGUSR1');
    await until('all workers reopen', () => told(s, 'reopens').length === 4);
    expect(told(s, 'reopens').toSorted()).toEqual(workers.toSorted());
    process.kill(s.pid, 'SIGKILL');
    await until('the old one is gone', gone(s.pid));
    process.kill(pid, 'SIGUSR1');
    await until('its own workers reopen', () => told(s, 'reopens').length >= 6);
    expect(
      told(s, 'reopens')
        .slice(4)
        .every((each) => !old.includes(each)),
    ).toBe(true);
    expect(isAlive(pid)).toBe(true);
  });

  test('SIGTERM to the old one that has handed over only hastens it', async () => {
    const s = await run({ drainTimeoutMs: 500 }, 'stubborn').ready();
    s.setMode('ok');
    const pid = await upgraded(s);
    s.kill('SIGTERM');
    await until('the old one is gone', gone(s.pid));
    expect(isAlive(pid)).toBe(true);
  });

  test('a new one that is not ready ends when the old one is killed', async () => {
    const s = await run().ready();
    s.setMode('slow');
    s.kill('SIGUSR2');
    await until('new workers', () => told(s, 'slow').length === 2);
    const [, pid] = supervisors(s);
    s.kill('SIGKILL');
    await until('the new one is gone', gone(pid));
    await until('all are gone', () => ![...s.pids(1), ...told(s, 'slow')].some(isAlive));
  });
});

test('one whose predecessor is gone before it could ask for anything does not serve', async () => {
  const { folder } = run();
  const pidFile = join(folder, 'pid');
  process.env.GFSERVE_PREDECESSOR = '4194305';
  const s = run({ server: { pidFile } });
  delete process.env.GFSERVE_PREDECESSOR;
  expect(await s.exit).toEqual({ code: 1, signal: null });
  expect(s.stderr).toContain('upgrade: given up: process 4194305 is gone');
  expect(s.stdout).not.toContain('ready');
  expect(existsSync(pidFile)).toBe(false);
});

describe('gfserve upgrade', () => {
  const ask = async (pidFile: string): Promise<[number, string]> => {
    const lines: string[] = [];
    const take = (line: string): void => {
      lines.push(line);
    };
    const code = await upgrade(null, pidFile, { out: take, err: take });
    return [code, lines.join('\n')];
  };

  test('tells how it went', async () => {
    const { folder } = run();
    const pidFile = join(folder, 'pid');
    const s = await run({ server: { pidFile } }).ready();
    s.setMode('crashes');
    expect(await ask(pidFile)).toEqual([
      1,
      'no worker can start: exited with status 3\ngfserve: given up, nothing changed',
    ]);
    s.setMode('ok');
    const [code, text] = await ask(pidFile);
    const pid = readFileSync(pidFile, 'utf8').trim();
    expect([code, text]).toEqual([
      0,
      expect.stringMatching(new RegExp(`^process ${pid} has taken over, after \\d+ ms$`)),
    ]);
    expect(readUpgradeReport(pidFile)).toMatchObject({ outcome: 'applied', pid: Number(pid) });
  });

  test('says so when another upgrade is under way, or the supervisor dies', async () => {
    const { folder } = run();
    const pidFile = join(folder, 'pid');
    const s = await run({ server: { pidFile } }).ready();
    s.setMode('slow');
    const first = ask(pidFile);
    await s.says(/SIGUSR2: starting/);
    expect(await ask(pidFile)).toEqual([
      1,
      'gfserve: an upgrade is under way already; see the log',
    ]);
    s.kill('SIGKILL');
    expect(await first).toEqual([1, `gfserve: process ${s.pid} has ended meanwhile; see its log`]);
  });
});
