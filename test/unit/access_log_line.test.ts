import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type AccessEntry, accessLine } from '../../src/observe/access_line.js';

const entry: AccessEntry = {
  client: '2001:db8::1',
  method: 'GET',
  target: '/a%20b?c=d',
  host: 'example.org',
  status: 206,
  bytes: 5_368_709_120,
  startedMs: Date.UTC(2026, 10, 21, 10, 0, 0, 123),
  durationMs: 1.23456,
  referer: 'https://example.org/',
  userAgent: 'curl/8.0',
  cache: 'hit',
  mount: 'main',
  volume: 'unbit001',
};

/** What a client may send: all bytes, with those that could end a line or a field being likely. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\n',
        '\r',
        '"',
        '\\',
        '\0',
        '\x7f',
        '\x85',
        ' ',
        '\\x0A',
        '\u2028',
        '" 200 ',
      ),
      fc.string({ unit: 'binary' }),
    ),
  )
  .map((parts) => parts.join(''));
const latin1 = fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.from(b).toString('latin1'));

const hostileEntry: fc.Arbitrary<AccessEntry> = fc
  .record({
    target: fc.oneof(
      latin1,
      hostile.map((s) => Buffer.from(s).toString('latin1')),
    ),
    client: hostile,
    method: hostile,
    host: hostile,
    referer: hostile,
    userAgent: hostile,
  })
  .map((fields) => ({ ...entry, ...fields }));

describe('combined', () => {
  test('is as nginx writes it, with host, seconds, cache and volume behind', () => {
    expect(accessLine(entry, 'combined')).toMatch(
      /^2001:db8::1 - - \[2[012]\/Nov\/2026:\d\d:\d\d:00 [+-]\d{4}\] "GET \/a%20b\?c=d HTTP\/1\.1" 206 5368709120 "https:\/\/example\.org\/" "curl\/8\.0" "example\.org" 0\.001235 hit unbit001\n$/,
    );
  });

  test('its time is the local one, with its zone', () => {
    const [, day, month, year, clock, zone] =
      /\[(\d+)\/(\w+)\/(\d+):([\d:]+) ([+-]\d{4})\]/.exec(accessLine(entry, 'combined')) ?? [];
    const parsed = Date.parse(`${day} ${month} ${year} ${clock} GMT${zone}`);
    expect(parsed).toBe(Math.floor(entry.startedMs / 1000) * 1000);
  });

  test.each([
    [0, '0.000000'],
    [0.0214, '0.000021'],
    [999.9996, '1.000000'],
    [3_723_004.5, '3723.004500'],
  ])('%d ms are %s s', (durationMs, text) => {
    expect(accessLine({ ...entry, durationMs }, 'combined')).toContain(` ${text} hit `);
  });

  test('what is not there is a dash', () => {
    const none = { referer: '', userAgent: '', client: '', host: '', volume: null, mount: null };
    expect(accessLine({ ...entry, ...none, cache: 'none' }, 'combined')).toMatch(
      /^- - - .* "-" "-" "-" 0\.001235 none -\n$/,
    );
  });

  test.each([
    ['/"', '/\\x22'],
    ['/\\', '/\\x5C'],
    ['/\n', '/\\x0A'],
    ['/\u007f\u00ff', '/\\x7F\\xFF'],
    ['/ ~!', '/ ~!'],
  ])('target %j becomes %s', (target, escaped) => {
    expect(accessLine({ ...entry, target }, 'combined')).toContain(`"GET ${escaped} HTTP/1.1"`);
  });

  test('a header is escaped as its UTF-8 bytes', () => {
    expect(accessLine({ ...entry, userAgent: 'é€' }, 'combined')).toContain(
      '"\\xC3\\xA9\\xE2\\x82\\xAC"',
    );
  });

  test('is one line of printable ASCII with eight quotes, whatever a client sends', () => {
    fc.assert(
      fc.property(hostileEntry, (e) => {
        const line = accessLine(e, 'combined');
        expect(line).toMatch(
          /^[^ ]+ - - \[[^\]]+\] "[ -~]*" 206 5368709120 "[ -~]*" "[ -~]*" "[ -~]*" 0\.001235 hit unbit001\n$/,
        );
        expect(line.match(/"/g)).toHaveLength(8);
      }),
    );
  });
});

describe('json', () => {
  const read = (e: AccessEntry): unknown => JSON.parse(accessLine(e, 'json'));

  test('has these keys', () => {
    expect(read(entry)).toEqual({
      time: '2026-11-21T10:00:00.123Z',
      client: '2001:db8::1',
      host: 'example.org',
      method: 'GET',
      path: '/a%20b?c=d',
      protocol: 'HTTP/1.1',
      status: 206,
      bytes: 5_368_709_120,
      duration_ms: 1.235,
      cache: 'hit',
      referer: 'https://example.org/',
      user_agent: 'curl/8.0',
      volume: 'unbit001',
      mount: 'main',
    });
  });

  test('has its time to the millisecond', () => {
    for (const [ms, text] of [
      [0, '000'],
      [7, '007'],
      [999, '999'],
    ] as const) {
      const startedMs = Date.UTC(2026, 10, 21, 10, 0, 1, ms);
      expect(read({ ...entry, startedMs })).toMatchObject({ time: `2026-11-21T10:00:01.${text}Z` });
    }
  });

  test('of an answer that no mount and no volume had a part in says so', () => {
    expect(read({ ...entry, mount: null, volume: null, cache: 'none' })).toMatchObject({
      mount: null,
      volume: null,
      cache: 'none',
    });
  });

  test('shows UTF-8 as what it says, and other bytes as Latin-1', () => {
    const utf8 = Buffer.from('/é€').toString('latin1');
    expect(read({ ...entry, target: utf8 })).toMatchObject({ path: '/é€' });
    expect(read({ ...entry, target: '/\u00ff' })).toMatchObject({ path: '/\u00ff' });
  });

  test('is one line that parses and says what the client sent', () => {
    fc.assert(
      fc.property(hostileEntry, (e) => {
        const line = accessLine(e, 'json');
        expect(line.trimEnd()).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        expect(read(e)).toMatchObject({
          user_agent: e.userAgent,
          referer: e.referer,
          host: e.host,
        });
      }),
    );
  });
});

describe('with a limit', () => {
  test.each(['combined', 'json'] as const)('%s is no longer, and still a whole line', (format) => {
    const long = fc
      .integer({ min: 0, max: 8000 })
      .chain((n) => hostile.map((s) => `${s}\u0001`.repeat(Math.ceil(n / (s.length + 1)))));
    fc.assert(
      fc.property(long, long, (target, userAgent) => {
        const e = { ...entry, target: Buffer.from(target).toString('latin1'), userAgent };
        const line = accessLine({ ...e, host: userAgent, method: target }, format, 4096);
        expect(Buffer.byteLength(line)).toBeLessThanOrEqual(4096);
        expect(line.indexOf('\n')).toBe(line.length - 1);
        if (format === 'json') expect(JSON.parse(line)).toMatchObject({ status: 206 });
      }),
      { numRuns: 50 },
    );
  });

  test('a line that fits is not touched', () => {
    const e = { ...entry, target: `/${'x'.repeat(3500)}` };
    expect(accessLine(e, 'combined', 4096)).toBe(accessLine(e, 'combined'));
  });
});
