import { type StdioOptions, spawnSync } from 'node:child_process';
import { openSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  createLogger,
  errnoOf,
  type LogOptions,
  logStyle,
  oneLine,
} from '../../src/observe/log.js';

function capture(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const log = createLogger({
    level: 'info',
    style: 'text',
    write: (text) => lines.push(text),
    ...options,
  });
  return { log, lines };
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /;

describe('text', () => {
  test('time, level, worker, volume, message, fields', () => {
    const { log, lines } = capture();
    log.child({ worker: 2 }).child({ volume: 'a' }).warn('is down', { tries: 3, server: 'b c' });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(TIME);
    expect(lines[0]?.replace(TIME, '')).toBe(
      'warn  worker 2: volume a: is down  tries=3  server=b c\n',
    );
  });

  test('does not say the volume twice', () => {
    const { log, lines } = capture();
    log.child({ worker: 2, volume: 'a' }).info('volume a: is up');
    expect(lines[0]?.replace(TIME, '')).toBe('info  worker 2: volume a: is up\n');
  });

  test('an error keeps its stack, each line of it indented', () => {
    const { log, lines } = capture();
    log.error('oh', { err: new Error('first\n2026-01-01T00:00:00.000Z info  forged') });
    const [head, ...rest] = lines.join('').trimEnd().split('\n');
    expect(head?.replace(TIME, '')).toBe('error oh');
    expect(rest.length).toBeGreaterThan(1);
    for (const line of rest) expect(line).toMatch(/^ {4}/);
  });

  test('no message and no field can begin a line of its own, or steer a terminal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (text, key) => {
        const { log, lines } = capture();
        log.info(`x${text}\r\n\u001b[2J\u0085\u2028`, { [`k${key}`]: text, list: [text] });
        const all = lines.join('');
        expect(all.split('\n')).toHaveLength(2);
        expect(all.trimEnd()).not.toMatch(/[\p{Cc}\u2028\u2029\u202e]/u);
      }),
    );
  });
});

describe('json', () => {
  test('one object a line', () => {
    const { log, lines } = capture({ style: 'json' });
    log.child({ worker: 1 }).info('hello', { a: { b: 1 } });
    const record: unknown = JSON.parse(lines.join(''));
    expect(record).toEqual({
      level: 'info',
      time: expect.stringMatching(/Z$/),
      worker: 1,
      a: { b: 1 },
      msg: 'hello',
    });
  });

  test('stays one line and says the same, whatever the message', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const { log, lines } = capture({ style: 'json' });
        log.info(`${text}\n\u009b`);
        const all = lines.join('');
        expect(all.trimEnd()).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        expect(JSON.parse(all)).toMatchObject({ msg: `${text}\n\u009b` });
      }),
    );
  });

  test('has the message and the stack of an error', () => {
    const { log, lines } = capture({ style: 'json' });
    log.error('oh', { err: new TypeError('why') });
    expect(JSON.parse(lines.join(''))).toMatchObject({
      err: { type: 'TypeError', message: 'why', stack: expect.stringContaining('log.test') },
    });
  });
});

test('what is less important than the level is left out', () => {
  const { log, lines } = capture({ level: 'warn' });
  log.debug('1');
  log.info('2');
  log.child({ worker: 1 }).info('3');
  log.warn('4');
  log.error('5');
  expect(lines).toHaveLength(2);
});

test('a percent sign in a message is nothing special', () => {
  const { log, lines } = capture();
  log.info('%s %d %%', { a: 1 });
  expect(lines[0]).toContain('info  %s %d %%  a=1');
});

test.each([
  [{}, true, 'text'],
  [{}, false, 'json'],
  [{ GFSERVE_LOG_STYLE: 'text' }, false, 'text'],
  [{ GFSERVE_LOG_STYLE: 'json' }, true, 'json'],
  [{ GFSERVE_LOG_STYLE: 'pretty' }, true, 'text'],
])('style with %j on a terminal %s is %s', (environment, isTerminal, style) => {
  expect(logStyle(environment, isTerminal)).toBe(style);
});

test('oneLine and errnoOf', () => {
  expect(oneLine('a\tb\u2028c\\')).toBe('a\\x09b\\u{2028}c\\');
  expect(errnoOf(Object.assign(new Error('x'), { code: 'ENOSPC' }))).toBe('ENOSPC');
  expect([errnoOf(new Error('x')), errnoOf('x'), errnoOf(null)]).toEqual(['', '', '']);
});

describe('stderr', () => {
  const url = new URL('../../src/observe/log.js', import.meta.url).href;
  const script = `import { createLogger } from ${JSON.stringify(url)};
    const log = createLogger({ level: 'info', style: 'json' });
    for (let i = 0; i < 1000; i += 1) log.info('line ' + i);
    process.exit(7);`;
  const env = { ...process.env, NODE_OPTIONS: '' };

  test('nothing is lost at exit', () => {
    const { status, stderr } = spawnSync('node', ['--input-type=module', '-e', script], { env });
    expect(status).toBe(7);
    expect(stderr.toString().trimEnd().split('\n')).toHaveLength(1000);
  });

  test('a full disk is no reason to fail', () => {
    const stdio: StdioOptions = ['ignore', 'ignore', openSync('/dev/full', 'w')];
    const { status } = spawnSync('node', ['--input-type=module', '-e', script], { env, stdio });
    expect(status).toBe(7);
  });
});
