/** What the supervisor does when it is told to reload, or to reopen its logs. */
import { chmodSync, chownSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ListenAddress } from '../../src/config/types.js';
import { reload } from '../../src/reload_command.js';
import { readReport } from '../../src/reload_report.js';
import { freePort } from '../support/ports.js';
import { type Changes, isAlive, Supervised, testConfig, until } from '../support/supervised.js';

let running: Supervised[] = [];

afterEach(async () => {
  await Promise.all(running.map((each) => each.clean()));
  running = [];
});

function run(changes: Changes = {}, mode = 'ok', readyMs = 60_000): Supervised {
  const supervised = new Supervised(testConfig(changes), mode, readyMs);
  running.push(supervised);
  return supervised;
}

const tcp = (port: number): ListenAddress => ({
  kind: 'tcp',
  host: '127.0.0.1',
  port,
  text: `127.0.0.1:${port}`,
});

/** How often each worker process was told something. */
const told = (s: Supervised, word: string): number[] =>
  [...s.stdout.matchAll(new RegExp(`^${word} \\d+ (\\d+)$`, 'gm'))].map(([, pid]) => Number(pid));

async function status(port: number): Promise<Record<string, unknown>> {
  const response = await fetch(`http://127.0.0.1:${port}/status`);
  return (await response.json()) as Record<string, unknown>;
}

async function stops(s: Supervised): Promise<void> {
  s.kill('SIGTERM');
  expect(await s.exit).toEqual({ code: 0, signal: null });
}

describe('a good file', () => {
  test('is served by new workers, who get the sockets of the old ones; those retire', async () => {
    const listen = [tcp(await freePort())];
    const admin = await freePort();
    const s = await run({ server: { listen }, admin: { listen: tcp(admin) } }).ready();
    const old = [...s.pids(1), ...s.pids(2)];
    await until('the workers have left their sockets', () => told(s, 'leaves').length === 2);
    const changes: Changes = { server: { listen, workers: 3 }, admin: { listen: tcp(admin) } };
    s.configure(testConfig(changes));
    s.kill('SIGHUP');
    await s.says(/reload: done in \d+ ms/);
    await s.says(/the former workers are gone after [\d.]+ s: 4 requests finished, 2 cut off/);
    expect(told(s, 'retire').toSorted()).toEqual(old.toSorted());
    expect(old.filter(isAlive)).toEqual([]);
    const key = `tcp:127.0.0.1:${listen[0]?.kind === 'tcp' ? listen[0].port : 0}`;
    expect(s.stdout.match(/^inherits .*$/gm)?.toSorted()).toEqual([
      `inherits 1 ${key}`,
      `inherits 2 ${key}`,
    ]);
    expect(await status(admin)).toMatchObject({
      generation: 2,
      restarts: 0,
      workers: [{ number: 1, state: 'ready' }, { number: 2 }, { number: 3 }],
      retiring: [],
      reloads: {
        applied: 1,
        failed: 0,
        underWay: false,
        last: { outcome: 'applied', problems: [], at: expect.stringMatching(/^20.*Z$/) },
      },
    });
    await stops(s);
  });

  test('moves the admin listener, and changes what is logged', async () => {
    const [from, to] = [await freePort(), await freePort()];
    const s = await run({ admin: { listen: tcp(from) } }).ready();
    s.configure(testConfig({ admin: { listen: tcp(to) }, log: { level: 'error' } }));
    s.kill('SIGHUP');
    await until('the old address is left', () => told(s, 'retire').length === 2);
    expect(await status(to)).toMatchObject({ generation: 2 });
    await expect(status(from)).rejects.toThrow();
    expect(s.stderr).not.toContain('reload: done');
  });

  test('whose reload is asked for again and again meanwhile is read once more, not more often', async () => {
    const s = await run().ready();
    s.setMode('slow');
    s.kill('SIGHUP');
    await until('slow workers', () => told(s, 'slow').length === 2);
    s.kill('SIGHUP');
    await s.says(/another reload will follow/);
    s.kill('SIGHUP');
    // These are slow for ever; those that take their places are not.
    s.setMode('ok');
    for (const pid of told(s, 'slow')) process.kill(pid, 'SIGKILL');
    await until('two reloads', () => s.stderr.match(/reload: done/g)?.length === 2);
    await until('their workers', () => s.stderr.match(/former workers are gone/g)?.length === 2);
    expect(s.stderr.match(/SIGHUP: reading/g)).toHaveLength(2);
    await stops(s);
  });
});

test('a worker that dies in the middle of a reload leaves its sockets to the one that replaces it', async () => {
  const port = await freePort();
  const s = await run({ server: { listen: [tcp(port)] } }).ready();
  await until('the workers have left their sockets', () => told(s, 'leaves').length === 2);
  s.setMode('slow');
  s.kill('SIGHUP');
  await until('slow workers', () => told(s, 'slow').length === 2);
  s.setMode('ok');
  process.kill(s.pids(1)[0] ?? 0, 'SIGKILL');
  await until('a second worker 1', () => s.pids(1).length === 2);
  expect(s.stdout.match(/^inherits 1 .*$/gm)).toEqual(
    Array(2).fill(`inherits 1 tcp:127.0.0.1:${port}`),
  );
  for (const pid of told(s, 'slow')) process.kill(pid, 'SIGKILL');
  await s.says(/reload: done/);
  await stops(s);
});

describe('a worker that is worn', () => {
  test('is renewed with all others, without a change of anything else', async () => {
    const [listen, admin] = [[tcp(await freePort())], await freePort()];
    const s = await run({ server: { listen }, admin: { listen: tcp(admin) } }).ready();
    await until('the workers have left their sockets', () => told(s, 'leaves').length === 2);
    const old = [...s.pids(1), ...s.pids(2)];
    process.kill(old[0] ?? 0, 'SIGUSR2');
    await s.says(/renewal: worker 1 has seen 4 connections to volumes end/);
    await s.says(/renewal: done in [\d.]+ s; the former workers finish what is under way/);
    await s.says(/renewal: the former workers are gone after/);
    expect(told(s, 'retire').toSorted()).toEqual(old.toSorted());
    expect(s.stdout.match(/^inherits /gm)).toHaveLength(2);
    expect(await status(admin)).toMatchObject({
      generation: 2,
      restarts: 0,
      reloads: { applied: 0, failed: 0, underWay: false, last: null },
      events: [{ kind: 'worker', tone: 'neutral', text: expect.stringContaining('renewal: done') }],
    });
    const page = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
    expect(page).toMatch(/^gfserve_worker_renewals_total 1$/m);
    await stops(s);
  });

  test('goes on where a new one lacks a volume', async () => {
    const s = await run().ready();
    s.setMode('alone');
    const [first = 0] = s.pids(1);
    process.kill(first, 'SIGUSR2');
    await s.says(/renewal: put off: volume a is connecting; the workers go on/);
    await s.says(/renewal: the workers that were given up are gone/);
    expect(isAlive(first)).toBe(true);
    expect(told(s, 'retire')).not.toContain(first);
    await stops(s);
  });

  test('is renewed before a reload that is asked for meanwhile, and not once more by its own wish', async () => {
    const s = await run().ready();
    s.setMode('slow');
    const [first = 0] = s.pids(1);
    process.kill(first, 'SIGUSR2');
    await until('slow workers', () => told(s, 'slow').length === 2);
    process.kill(first, 'SIGUSR2');
    s.kill('SIGHUP');
    await s.says(/SIGHUP: a reload will follow/);
    s.setMode('ok');
    for (const pid of told(s, 'slow')) process.kill(pid, 'SIGKILL');
    await s.says(/renewal: done/);
    await s.says(/reload: done/);
    await s.says(/reload: the former workers are gone/);
    expect(s.stderr.match(/renewal: done/g)).toHaveLength(1);
    await stops(s);
  });
});

describe('nothing changes', () => {
  test('by a file with errors, all of which are logged', async () => {
    const s = await run().ready();
    const error = { file: 'x.ini', section: 'volume a', key: 'threads', message: 'is no number' };
    s.spoil({ ...error, line: 3 }, { ...error, line: 9, key: 'servers', message: 'is missing' });
    s.kill('SIGHUP');
    await s.says(/reload: refused, nothing changed/);
    expect(s.stderr).toContain('error x.ini:3: [volume a] threads: is no number\n');
    expect(s.stderr).toContain('error x.ini:9: [volume a] servers: is missing\n');
    expect(s.pids(1)).toHaveLength(1);
    expect(told(s, 'retire')).toEqual([]);
    await stops(s);
  });

  test('by another pid-file, which is named', async () => {
    const { folder } = run();
    const s = await run({ server: { pidFile: join(folder, 'a') } }).ready();
    s.configure(testConfig({ server: { pidFile: join(folder, 'b') } }));
    s.kill('SIGHUP');
    await s.says(/\[server\] pid-file: cannot be changed by a reload .*\/a to .*\/b\): restart/);
    await s.says(/reload: refused/);
    expect(existsSync(join(folder, 'b'))).toBe(false);
  });

  test('by an account that does not exist, or an admin address that is taken', async () => {
    const s = await run().ready();
    s.configure(testConfig({ server: { user: 'no-such-user' } }));
    s.kill('SIGHUP');
    await s.says(/GFS_CONFIG: \[server\] user: there is no user/);
    await s.says(/reload: refused/);
    const other = await freePort();
    await run({ admin: { listen: tcp(other) } }).ready();
    s.configure(testConfig({ admin: { listen: tcp(other) } }));
    s.kill('SIGHUP');
    await s.says(/GFS_LISTEN: \[admin\] listen 127.0.0.1:\d+: something listens there/);
    await until('two refusals', () => s.stderr.match(/reload: refused/g)?.length === 2);
    expect(s.pids(1)).toHaveLength(1);
  });

  test.each([
    ['fails', 60_000, /the new workers cannot start: GFS_LISTEN: it would not\n/],
    ['crashes', 60_000, /the new workers cannot start: exited with status 3\n/],
    ['slow', 500, /the new workers cannot start: they were not ready within 0.5 s\n/],
  ])('when each new worker %s', async (mode, readyMs, reason) => {
    const s = await run({}, 'ok', readyMs).ready();
    s.setMode(mode);
    s.kill('SIGHUP');
    await s.says(/reload: given up, nothing changed/);
    expect(s.stderr).toMatch(reason);
    await s.says(/the workers that were given up are gone/);
    const [first = 0] = s.pids(1);
    expect(isAlive(first)).toBe(true);
    expect(told(s, 'retire')).not.toContain(first);
    await stops(s);
  });
});

describe('old workers that take their time', () => {
  test('hold up the third reload, and are killed 2 s after the drain timeout', async () => {
    const s = await run({ drainTimeoutMs: 500 }, 'stubborn').ready();
    for (let done = 1; done <= 2; done += 1) {
      s.kill('SIGHUP');
      await until('a reload', () => s.stderr.match(/reload: done/g)?.length === done);
    }
    s.kill('SIGHUP');
    await s.says(/reload: waits until workers of an earlier one have finished/);
    await until('the third', () => s.stderr.match(/reload: done/g)?.length === 3);
    expect(s.stderr).toMatch(/worker 1 was killed by SIGKILL while it was draining/);
  });

  test('end with the others at a SIGTERM, also in the middle of a reload', async () => {
    const s = await run({ drainTimeoutMs: 60_000 }, 'stubborn').ready();
    s.setMode('ok');
    s.kill('SIGHUP');
    await s.says(/reload: done/);
    s.setMode('slow');
    s.kill('SIGHUP');
    await until('slow workers', () => told(s, 'slow').length === 2);
    s.kill('SIGTERM');
    await until('all are told', () => told(s, 'drain').length === 6);
    s.kill('SIGTERM');
    expect(await s.exit).toEqual({ code: 143, signal: null });
    await until('all are gone', () => ![...s.pids(1), ...s.pids(2)].some(isAlive));
  });
});

test('a worker that dies after a reload is replaced, and is counted', async () => {
  const admin = await freePort();
  const s = await run({ admin: { listen: tcp(admin) } }).ready();
  process.kill(s.pids(1)[0] ?? 0, 'SIGKILL');
  await until('a second worker 1', () => s.pids(1).length === 2);
  s.kill('SIGHUP');
  await s.says(/former workers are gone/);
  process.kill(s.pids(1)[2] ?? 0, 'SIGKILL');
  await until('a fourth worker 1', () => s.pids(1).length === 4);
  expect(await status(admin)).toMatchObject({ restarts: 2, generation: 2 });
});

describe('gfserve reload', () => {
  const ask = async (pidFile: string): Promise<[number, string]> => {
    const lines: string[] = [];
    const take = (line: string): void => {
      lines.push(line);
    };
    const code = await reload(null, pidFile, { out: take, err: take });
    return [code, lines.join('\n')];
  };

  test('tells how it went, by a file that is gone after the end', async () => {
    const { folder } = run();
    const pidFile = join(folder, 'pid');
    const changes = { server: { pidFile } };
    const s = await run(changes).ready();
    expect(await ask(pidFile)).toEqual([0, expect.stringMatching(/^test.ini is served, after/)]);
    s.spoil({ file: 'x.ini', line: 1, section: null, key: null, message: 'is odd' });
    expect(await ask(pidFile)).toEqual([1, 'x.ini:1: is odd\ngfserve: refused, nothing changed']);
    s.configure(testConfig(changes));
    s.setMode('crashes');
    expect(await ask(pidFile)).toEqual([
      1,
      'the new workers cannot start: exited with status 3\ngfserve: given up, nothing changed',
    ]);
    expect(readReport(pidFile)).toMatchObject({ outcome: 'given-up' });
    await stops(s);
    expect(readReport(pidFile)).toBeNull();
    expect(existsSync(`${pidFile}.reload`)).toBe(false);
    expect(await ask(pidFile)).toEqual([1, `gfserve: no gfserve that runs has written ${pidFile}`]);
  });

  test('says so when the supervisor dies meanwhile', async () => {
    const { folder } = run();
    const pidFile = join(folder, 'pid');
    const s = await run({ server: { pidFile } }).ready();
    s.setMode('slow');
    const asked = ask(pidFile);
    await s.says(/SIGHUP: reading/);
    s.kill('SIGKILL');
    expect(await asked).toEqual([1, `gfserve: process ${s.pid} has ended meanwhile; see its log`]);
  });
});

describe('SIGUSR1', () => {
  test('has every worker reopen its log, those that retire too', async () => {
    const s = await run({}, 'stubborn').ready();
    s.kill('SIGHUP');
    await s.says(/reload: done/);
    s.kill('SIGUSR1');
    await until('all do', () => told(s, 'reopens').length === 4);
    expect(s.stderr).not.toContain('ebugger');
  });

  test('makes the file for workers that may not', async () => {
    const { folder } = run();
    chmodSync(folder, 0o755);
    const logs = join(folder, 'logs');
    mkdirSync(logs);
    chownSync(logs, 0, 0);
    const path = join(logs, 'access.log');
    const s = await run({
      server: { user: '65534', group: '65533' },
      log: { access: { kind: 'file', path } },
    }).ready();
    s.kill('SIGUSR1');
    await until('all do', () => told(s, 'reopens').length === 2);
    const { uid, gid, mode } = statSync(path);
    expect([uid, gid, mode & 0o777]).toEqual([65534, 65533, 0o640 & ~process.umask()]);
    // One that is there stays whose it is.
    chownSync(path, 0, 0);
    s.kill('SIGUSR1');
    await until('all do again', () => told(s, 'reopens').length === 4);
    expect(statSync(path).uid).toBe(0);
  });
});
