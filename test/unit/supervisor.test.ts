import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ListenAddress } from '../../src/config/types.js';
import { RESTART_TIMING, restartDelay } from '../../src/worker_slot.js';
import { freePort } from '../support/ports.js';
import { type Changes, isAlive, Supervised, testConfig, until } from '../support/supervised.js';

let running: Supervised[] = [];

afterEach(async () => {
  await Promise.all(running.map((each) => each.clean()));
  running = [];
});

function run(changes: Changes = {}, mode = 'ok'): Supervised {
  const supervised = new Supervised(testConfig(changes), mode);
  running.push(supervised);
  return supervised;
}

const allPids = (s: Supervised) => [...s.pids(1), ...s.pids(2)];

describe('start', () => {
  test('one line for each listener, volume and mount, then ready, then the hint for nginx', async () => {
    const port = await freePort();
    const text = `127.0.0.1:${port}`;
    const listen: ListenAddress[] = [{ kind: 'tcp', host: '127.0.0.1', port, text }];
    const s = await run({ server: { listen } }).ready();
    await until('the hint', () => s.stderr.includes('upstream block\n'));
    const lines = s.stderr
      .split('\n')
      .filter((line) => / info {2}/.test(line))
      .map((line) => line.replace(/^.* info {2}/, '').replace(/in \d+ ms/, 'in N ms'));
    expect(lines).toEqual([
      'volume a  servers b  threads 8',
      'mount main  /  example.org -> a:/htdocs',
      `listening on http://${text}`,
      'ready: 2 workers in N ms',
      'behind nginx: put `proxy_http_version 1.1; proxy_set_header Connection "";` into its location and `keepalive_timeout 5s;` into its upstream block',
    ]);
  });

  test.each([
    ['fails', 'GFS_LISTEN: it would not'],
    ['crashes', 'exited with status 3'],
  ])('gives up when each worker %s three times', async (mode, reason) => {
    const s = run({}, mode);
    expect(await s.exit).toEqual({ code: 1, signal: null });
    expect(s.stderr).toContain(`error no worker can start: ${reason}\n`);
    for (const number of [1, 2]) {
      const deaths = s.stderr.match(new RegExp(`worker ${number} .*exited with status`, 'g')) ?? [];
      expect(deaths.length).toBeGreaterThanOrEqual(3);
    }
  });
});

describe('a worker that dies', () => {
  test('is replaced at once under its number, and the other does not notice', async () => {
    const s = await run().ready();
    const [first = 0] = s.pids(1);
    process.kill(first, 'SIGKILL');
    await until('a second worker 1', () => s.pids(1).length === 2);
    await s.says(/worker 1 \(pid \d+\) is ready after/);
    expect(s.stderr).toMatch(
      /error worker 1 \(pid \d+\) was killed by SIGKILL after [\d.]+ s; the next one starts at once\n/,
    );
    expect(s.pids(2)).toHaveLength(1);
  });

  test('is replaced ever more slowly, and for ever once a worker has been ready', async () => {
    const s = await run().ready();
    s.setMode('fails');
    for (const pid of allPids(s)) process.kill(pid, 'SIGKILL');
    await s.says(/worker 1 .*GFS_LISTEN: it would not; the next one starts in 0.40 s/);
    expect(s.stderr).toMatch(/worker 1 .*; the next one starts in 0.10 s/);
    expect(s.stderr).toMatch(/worker 1 .*; the next one starts in 0.20 s/);
    s.setMode('ok');
    await until('both are back', () => s.pids(1).length === 2 && s.pids(2).length === 2);
    s.kill('SIGTERM');
    expect(await s.exit).toEqual({ code: 0, signal: null });
  });

  test.each([
    [1, 0],
    [2, 100],
    [3, 200],
    [4, 400],
    [8, 6400],
    [9, 10_000],
    [5000, 10_000],
  ])('after death %i in a row the next comes in %i ms', (deaths, ms) => {
    expect(restartDelay(deaths, RESTART_TIMING)).toBe(ms);
  });
});

describe('stop', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s drains the workers and exits with 0',
    async (signal) => {
      const s = await run().ready();
      s.kill(signal);
      expect(await s.exit).toEqual({ code: 0, signal: null });
      expect(s.stderr).toMatch(/stopped in [\d.]+ s: 4 requests finished, 2 cut off/);
      expect(allPids(s).filter(isAlive)).toEqual([]);
      expect(s.stdout).not.toContain('orphaned');
    },
  );

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('a second %s ends everything at once with %i', async (signal, code) => {
    const s = await run({}, 'stubborn').ready();
    s.kill('SIGTERM');
    await s.says(/SIGTERM: finishing/);
    s.kill(signal);
    expect(await s.exit).toEqual({ code, signal: null });
    await until('the workers are gone', () => !allPids(s).some(isAlive));
  });

  test('kills what has not left 2 s after the drain timeout, and exits with 1', async () => {
    const s = await run({ drainTimeoutMs: 100 }, 'stubborn').ready();
    const start = performance.now();
    s.kill('SIGTERM');
    expect(await s.exit).toEqual({ code: 1, signal: null });
    expect(performance.now() - start).toBeGreaterThan(2000);
    expect(allPids(s).filter(isAlive)).toEqual([]);
  });

  test('a Ctrl-C goes to the workers too, who leave it to the supervisor', async () => {
    const s = await run().ready();
    for (const pid of allPids(s)) process.kill(pid, 'SIGINT');
    s.kill('SIGINT');
    expect(await s.exit).toEqual({ code: 0, signal: null });
    expect(s.stderr).toContain('4 requests finished');
  });

  test("workers leave by themselves after the supervisor's kill -9", async () => {
    const s = await run().ready();
    s.kill('SIGKILL');
    await until('both noticed', () => /orphaned 1/.test(s.stdout) && /orphaned 2/.test(s.stdout));
    await until('both are gone', () => !allPids(s).some(isAlive));
  });
});

describe('pid-file', () => {
  const withPidFile = (folder: string): Changes => ({
    server: { pidFile: join(folder, 'pid'), workers: 2 },
  });

  test('names the supervisor while it runs, and is removed after', async () => {
    const { folder } = run();
    const s = await run(withPidFile(folder)).ready();
    expect(readFileSync(join(folder, 'pid'), 'utf8')).toBe(`${s.pid}\n`);
    s.kill('SIGTERM');
    await s.exit;
    expect(existsSync(join(folder, 'pid'))).toBe(false);
  });

  test('that names a running gfserve stops the second one, and stays', async () => {
    const { folder } = run();
    const first = await run(withPidFile(folder)).ready();
    const second = run(withPidFile(folder));
    expect(await second.exit).toEqual({ code: 1, signal: null });
    expect(second.stderr).toContain(`another gfserve runs as process ${first.pid}`);
    expect(readFileSync(join(folder, 'pid'), 'utf8')).toBe(`${first.pid}\n`);
  });

  test('that was left behind is replaced', async () => {
    const { folder } = run();
    const first = await run(withPidFile(folder)).ready();
    first.kill('SIGKILL');
    await until('it is gone', () => !isAlive(first.pid));
    expect(existsSync(join(folder, 'pid'))).toBe(true);
    const second = await run(withPidFile(folder)).ready();
    expect(readFileSync(join(folder, 'pid'), 'utf8')).toBe(`${second.pid}\n`);
  });

  test('that cannot be written keeps it from starting', async () => {
    const s = run({ server: { pidFile: '/nonexistent/gfserve.pid' } });
    expect(await s.exit).toEqual({ code: 1, signal: null });
    expect(s.stderr).toMatch(/GFS_CONFIG: \[server\] pid-file .*ENOENT/);
    expect(s.stdout).toBe('');
  });
});
