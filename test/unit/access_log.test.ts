import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, jest, test } from '@jest/globals';
import type { LogConfig } from '../../src/config/types.js';
import { type AccessEntry, type AccessLog, createAccessLog } from '../../src/observe/access_log.js';
import { createLogger } from '../../src/observe/log.js';

const folder = mkdtempSync(join(tmpdir(), 'gfserve-test-'));
let logs: AccessLog[] = [];
let warnings: string[] = [];

afterAll(() => rmSync(folder, { recursive: true }));

afterEach(async () => {
  await Promise.all(logs.map((log) => log.close()));
  logs = [];
  warnings = [];
});

const entry: AccessEntry = {
  client: '192.0.2.1',
  method: 'GET',
  target: '/a?b',
  host: 'example.org',
  status: 200,
  bytes: 12,
  startedMs: 0,
  durationMs: 1.5,
  referer: '',
  userAgent: 'test',
  cache: 'hit',
  mount: 'main',
  volume: 'a',
};

function open(path: string, format: LogConfig['format'] = 'combined'): AccessLog {
  const log = createLogger({ level: 'info', style: 'text', write: (line) => warnings.push(line) });
  const made = createAccessLog({ access: { kind: 'file', path }, format, level: 'info' }, log);
  logs.push(made);
  return made;
}

async function until(holds: () => boolean, seconds = 10, everyMs = 5): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${seconds} s`);
    await sleep(everyMs);
  }
}

/** '' for a descriptor that was closed meanwhile. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

const openFiles = () => readdirSync('/proc/self/fd').map((fd) => linkOf(`/proc/self/fd/${fd}`));

const lineCount = (path: string) => readFileSync(path, 'utf8').split('\n').length - 1;

describe('a file', () => {
  test('is made with mode 0640, appended to, and complete after close', async () => {
    const path = join(folder, 'append');
    for (let round = 0; round < 2; round += 1) {
      const log = open(path);
      for (let i = 0; i < 3000; i += 1) log.record(entry);
      await log.close();
      expect(log.lost).toBe(0);
    }
    expect(lineCount(path)).toBe(6000);
    expect(statSync(path).mode & 0o777).toBe(0o640 & ~process.umask());
  });

  test('gets a line within 200 ms or so, and 192 KiB sooner', async () => {
    const path = join(folder, 'soon');
    const log = open(path);
    log.record(entry);
    await sleep(50);
    expect(lineCount(path)).toBe(0);
    await sleep(400);
    expect(lineCount(path)).toBe(1);
    for (let i = 0; i < 2500; i += 1) log.record(entry);
    await sleep(50);
    expect(lineCount(path)).toBeGreaterThan(1500);
  });

  test('that cannot be opened costs its lines and nothing else', async () => {
    const log = open('/nonexistent/access.log');
    log.record(entry);
    await log.close();
    expect(log.lost).toBe(1);
    expect(warnings.join('')).toMatch(/error the access log .* cannot be opened: ENOENT/);
    expect(warnings.join('')).toMatch(/warn {2}access log: 1 lines lost/);
  });

  test('on a full disk costs its lines, which are counted and reported', async () => {
    const log = open('/dev/full');
    for (let i = 0; i < 500; i += 1) log.record(entry);
    await log.close();
    expect(log.lost).toBe(500);
    const reported = [...warnings.join('').matchAll(/access log: (\d+) lines lost: ENOSPC/g)];
    expect(reported.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(500);
    log.record(entry);
    expect(log.lost).toBe(501);
  });

  test('is not held up by a FIFO that nobody reads', async () => {
    const path = join(folder, 'fifo-unread');
    spawnSync('mkfifo', [path]);
    const log = open(path);
    log.record(entry);
    await log.close();
    expect(log.lost).toBe(1);
  });
});

/** An access log into a FIFO whose reader runs `then` once its stdin has a line. */
async function openFifo(path: string, then: string) {
  spawnSync('mkfifo', [path]);
  const reader = spawn('sh', ['-c', `exec 3<"$0"; read -r line; ${then}`, path], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  // Until the reader has opened it, a FIFO is none to write to: the log says so, and would try again in 10 s.
  for (;;) {
    warnings = [];
    const log = open(path);
    if (warnings.length === 0) return { log, reader };
    await sleep(20);
  }
}

describe('a rotation', () => {
  test('loses no line, whenever it comes, and leaves the renamed file alone', async () => {
    const path = join(folder, 'rotated');
    const log = open(path);
    for (let round = 0; round < 20; round += 1) {
      for (let i = 0; i < 700; i += 1) log.record(entry);
      if (round % 3 === 0) await sleep(5);
      renameSync(path, `${path}.${round}`);
      log.reopen();
      log.reopen();
      log.record({ ...entry, target: `/after-${round}` });
      await until(() => existsSync(path));
    }
    await log.close();
    expect(log.lost).toBe(0);
    const files = [path, ...Array.from({ length: 20 }, (_, round) => `${path}.${round}`)];
    expect(files.reduce((sum, file) => sum + lineCount(file), 0)).toBe(20 * 701);
    // What is recorded once the new file is there goes into no other.
    for (let round = 1; round < 20; round += 1) {
      const text = readFileSync(`${path}.${round}`, 'utf8');
      expect(text).not.toContain(`/after-${round - 2} `);
    }
    expect(openFiles().filter((file) => file.startsWith(path))).toEqual([]);
  });

  test('whose new file cannot be made goes on with the old one', async () => {
    const away = join(folder, 'away');
    mkdirSync(away);
    const log = open(join(away, 'log'));
    log.record(entry);
    renameSync(away, `${away}.1`);
    log.reopen();
    log.record(entry);
    await log.close();
    expect(log.lost).toBe(0);
    expect(lineCount(join(`${away}.1`, 'log'))).toBe(2);
    expect(warnings.join('')).toMatch(
      /cannot be opened: ENOENT; its lines go on to the one that is/,
    );
  });

  test('brings back one that could not be opened', async () => {
    const late = join(folder, 'late');
    const log = open(join(late, 'log'));
    mkdirSync(late);
    log.reopen();
    log.record(entry);
    await log.close();
    expect(log.lost).toBe(0);
    expect(lineCount(join(late, 'log'))).toBe(1);
  });

  test('of stdout is none', async () => {
    const log = createAccessLog(
      { access: { kind: 'stdout' }, format: 'json', level: 'info' },
      createLogger({ level: 'info', style: 'text', write: (line) => warnings.push(line) }),
    );
    log.reopen();
    await log.close();
    log.reopen();
    expect(warnings).toEqual([]);
  });
});

describe('a reader that does not keep up', () => {
  test('costs the lines beyond 8 MiB, then all is well again', async () => {
    const path = join(folder, 'fifo');
    const { log, reader } = await openFifo(path, 'cat <&3 >"$0.out"');
    const long = { ...entry, target: `/${'x'.repeat(999)}` };
    for (let i = 0; i < 12_000; i += 1) log.record(long);
    expect(log.lost).toBeGreaterThan(2000);
    expect(log.lost).toBeLessThan(6000);
    expect(warnings.join('')).toContain('its reader is too slow');
    // The log's end of the pipe is the last: the reader may leave before close() has returned.
    const left = new Promise((resolve) => reader.once('exit', resolve));
    reader.stdin?.end('go\n');
    const read = () => existsSync(`${path}.out`) && lineCount(`${path}.out`);
    await until(() => read() === 12_000 - log.lost, 60, 200);
    await log.close();
    await left;
    expect(read()).toBe(12_000 - log.lost);
  });

  test('does not hold up close for more than a second', async () => {
    const path = join(folder, 'fifo-stuck');
    const { log, reader } = await openFifo(path, 'true');
    for (let i = 0; i < 10_000; i += 1) log.record(entry);
    const start = performance.now();
    await log.close();
    expect(performance.now() - start).toBeLessThan(5000);
    expect(log.lost).toBeGreaterThan(5000);
    // What could not be written is given up, and the FIFO with it.
    const left = new Promise((resolve) => reader.once('exit', resolve));
    await until(() => openFiles().every((file) => !file.startsWith(path)));
    reader.stdin?.end();
    await left;
  });
});

describe('a process of its own', () => {
  const access_log = new URL('../../src/observe/access_log.js', import.meta.url).href;
  const logger = new URL('../../src/observe/log.js', import.meta.url).href;
  const script = (access: LogConfig['access'], body: string) => `
    import { truncateSync } from 'node:fs';
    import { createAccessLog } from ${JSON.stringify(access_log)};
    import { createLogger } from ${JSON.stringify(logger)};
    const config = { access: ${JSON.stringify(access)}, format: 'combined', level: 'info' };
    const log = createAccessLog(config, createLogger({ level: 'info', style: 'text' }));
    const entry = ${JSON.stringify(entry)};
    ${body}
    await log.close();
    process.exit(log.lost > 0 ? 9 : 0);`;
  const many = script(
    { kind: 'stdout' },
    "for (let i = 0; i < 6000; i += 1) log.record({ ...entry, userAgent: 'x'.repeat(i % 300) });",
  );
  const run = (command: string, code = many) =>
    spawnSync('sh', ['-c', command, 'node', code], {
      env: { ...process.env, NODE_OPTIONS: '' },
      encoding: 'utf8',
      maxBuffer: 64e6,
    });
  const node = '"$0" --input-type=module -e "$1"';

  test('with stdout as a pipe writes all lines whole, also from two processes at once', () => {
    const { stdout } = run(`(${node} & ${node}; wait) | (sleep 0.3; cat)`);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(12_000);
    for (const line of lines)
      expect(line).toMatch(
        /^192\.0\.2\.1 - - \[.*\] "GET \/a\?b .*" "x*-?" "example.org" 0.001500 hit a$/,
      );
  });

  test('with stdout as a file that another shares writes all lines whole', () => {
    const path = join(folder, 'shared');
    run(`(${node} & ${node}; wait) > '${path}'`);
    expect(lineCount(path)).toBe(12_000);
  });

  test('whose stdout nobody reads loses the lines', () => {
    const { stderr } = run(`{ ${node}; echo "status $?" >&2; } | true`);
    expect(stderr).toMatch(/lines lost: EPIPE/);
    expect(stderr).toMatch(/^status 9$/m);
  });

  test('spoils one line only when the disk is full in the middle of it', () => {
    const path = join(folder, 'torn');
    // A limit on a file's size acts as a full disk does: what fits is written, then nothing more.
    const body = `
      process.on('SIGXFSZ', () => undefined);
      for (let i = 0; i < 5000; i += 1) log.record(entry);
      while (log.lost === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      // The lines that are still buffered are lost as well.
      await new Promise((resolve) => setTimeout(resolve, 500));
      truncateSync(config.access.path, 0);
      log.record({ ...entry, target: '/after' });`;
    const { stderr } = run(`ulimit -f 40; ${node}`, script({ kind: 'file', path }, body));
    expect(stderr).toMatch(/lines lost: EFBIG/);
    expect(readFileSync(path, 'utf8')).toMatch(/^\n\S+ .*"GET \/after .*\n$/);
  });
});

test('off is off', async () => {
  const write = jest.fn<(line: string) => void>();
  const log = createAccessLog(
    { access: { kind: 'off' }, format: 'json', level: 'info' },
    createLogger({ level: 'debug', style: 'text', write }),
  );
  log.record(entry);
  await log.close();
  expect(log.lost).toBe(0);
  expect(write).not.toHaveBeenCalled();
});
