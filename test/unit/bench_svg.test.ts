import { describe, expect, test } from '@jest/globals';
import { parseRecord, RecordError, type RunRecord } from '../../bench/record.js';
import { SCENARIOS } from '../../bench/scenarios.js';
import { bars, linesOf } from '../../bench/svg/card.js';
import { plot } from '../../bench/svg/plot.js';
import {
  escapeXml,
  fitted,
  shortCount,
  shortTime,
  widthOf,
  wrapped,
} from '../../bench/svg/text.js';
import { sampleOf } from '../support/bench_samples.js';

test('text is escaped, for elements and attributes', () => {
  expect(escapeXml('a & "b" <c>\u0000\n')).toBe('a &amp; &quot;b&quot; &lt;c&gt;');
});

test.each([
  [0.1234, '0.12'],
  [640, '640'],
  [999.6, '1.00k'],
  [98_432, '98.4k'],
  [999_600, '1.00M'],
  [Number.NaN, '–'],
])('%d is %s', (value, text) => {
  expect(shortCount(value)).toBe(text);
});

test.each([
  [0.0000083, '8.30 µs'],
  [0.0009996, '1.00 ms'],
  [0.0123, '12.3 ms'],
  [1.25, '1.25 s'],
  [Number.NaN, '–'],
])('%d seconds are %s', (value, text) => {
  expect(shortTime(value)).toBe(text);
});

describe('text in its place', () => {
  test('is cut where it does not fit', () => {
    expect(fitted('short', 10, 100)).toBe('short');
    const cut = fitted('much too long for its place', 10, 60);
    expect(cut.endsWith('…')).toBe(true);
    expect(widthOf(cut, 10)).toBeLessThanOrEqual(60);
  });

  test('is wrapped at words', () => {
    expect(wrapped('one two three', 10, widthOf('one two', 10), 3)).toEqual(['one two', 'three']);
    expect(wrapped('one two three', 10, widthOf('one', 10), 2)).toEqual(['one', 'tw…']);
  });
});

describe('bars', () => {
  test('the longest fills its place, others in proportion', () => {
    const [one, half, none] = bars([1, 0.5, Number.NaN]);
    expect(half?.length).toBe((one?.length ?? 0) / 2);
    expect(none).toEqual({ length: 0, cut: false });
  });

  test('what is far longer than the subject is cut', () => {
    const [one, four, more] = bars([1, 4, 40]);
    expect(four?.length).toBe(4 * (one?.length ?? 0));
    expect([four?.cut, more?.cut]).toEqual([false, true]);
    expect(more?.length).toBe(four?.length);
  });

  test('the smallest can still be seen', () => {
    expect(bars([0.0001, 1])[0]?.length).toBe(1);
  });
});

function recordOf(results: RunRecord['results']): RunRecord {
  const machine = { cores: 2, cpu: 'A <CPU>', kernel: '6', memoryBytes: 2 ** 30, node: 'v20.0.0' };
  return {
    format: 2,
    machine: { ...machine, versions: { nginx: '1.22' } },
    ...{ volumeOptions: {}, peers: { gfserve: 'one' }, generator: 'wrk', rounds: 1, seconds: 1 },
    mostFiles: 200_000,
    results,
    faults: null,
  };
}

const hot = {
  gfserve: [sampleOf({ requests: 40_000 })],
  uwsgi: [sampleOf({ errors: 1, errorText: 'read 1' })],
  'nginx-local': [sampleOf({ requests: 20_000 })],
};

test('a line tells what the subject does, and the others beside it', () => {
  const scenario = SCENARIOS['hot-4k'];
  if (scenario === undefined) throw new Error('no scenario');
  const lines = linesOf({ name: 'hot-4k', scenario, samples: new Map(Object.entries(hot)) });
  expect(lines).toMatchObject([
    { peer: 'gfserve', kind: 'subject', speedText: '40.0k/s', costText: '25.0 µs', speed: 1 },
    { peer: 'uwsgi', kind: 'other', speedText: 'errors', speed: Number.NaN },
    { peer: 'nginx-local', kind: 'reference', speedText: '0.50×', costText: '50.0 µs', cost: 2 },
  ]);
});

test('the picture is well formed and holds all scenarios of the record, and unknown ones do no harm', () => {
  const svg = plot(recordOf({ 'hot-4k': hot, mixed: hot, 'of-tomorrow': hot }));
  expect(svg).toContain('A &lt;CPU&gt;');
  expect(svg).toContain('>hot-4k<');
  expect(svg).toContain('>mixed<');
  expect(svg).not.toMatch(/NaN|undefined|href|url\(|of-tomorrow/);
  const open = [...svg.matchAll(/<(\w+)[^>]*?(\/?)>/g)].filter(([, , closed]) => closed === '');
  expect(open.map(([, name]) => name).sort()).toEqual(
    [...svg.matchAll(/<\/(\w+)>/g)].map(([, name]) => name).sort(),
  );
});

test('nothing lies outside of the picture', () => {
  const svg = plot(recordOf({ 'hot-4k': hot, '256m-x8': hot, mixed: hot }));
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)?.map(Number) ?? [];
  for (const [, x, y] of svg.matchAll(/ x="([\d.]+)" y="([\d.]+)"/g)) {
    expect(Number(x)).toBeLessThan(width ?? 0);
    expect(Number(y)).toBeLessThan(height ?? 0);
  }
});

describe('a record', () => {
  const record = recordOf({ 'hot-4k': hot });

  test('is read as it was written', () => {
    expect(parseRecord(JSON.stringify(record))).toEqual(record);
    const tally = { ...{ sent: 2, right: 1, failed: 1, timedOut: 0, why: { cut: 1 } } };
    const tallies = { a: { ...tally, ...{ p50Ms: 1, p99Ms: 2, maxMs: 3 } } };
    const phases = { before: tallies, hung: tallies, after: {} };
    const faults = { hungSeconds: 60, peers: { gfserve: { setup: 'x', phases } } };
    expect(parseRecord(JSON.stringify({ ...record, faults }))).toEqual({ ...record, faults });
  });

  test.each([
    ['no JSON', '{'],
    ['the record is missing', 'null'],
    ['its format is 1, not 2', '{"format":1}'],
    ['machine is missing', '{"format":2}'],
    ['requests is x', JSON.stringify(record).replace('"requests":40000', '"requests":"x"')],
    [
      'no list of samples',
      JSON.stringify(recordOf({})).replace('"results":{}', '"results":{"a":{"b":1}}'),
    ],
  ])('is refused: %s', (message, json) => {
    expect(() => parseRecord(json)).toThrow(RecordError);
    expect(() => parseRecord(json)).toThrow(message);
  });
});
