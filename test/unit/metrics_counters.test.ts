/** What a worker counts, and what of it travels. */
import { describe, expect, test } from '@jest/globals';
import { addCells, BOUNDS, CELLS, Histogram } from '../../src/observe/histogram.js';
import { http, isSample, type Sample, volumes } from '../../src/observe/metrics.js';
import {
  type EndedRequest,
  MountCounters,
  type RequestOutcome,
} from '../../src/observe/request_counters.js';
import { VolumeCounters } from '../../src/observe/volume_counters.js';

/** Series of one metric, by their labels. */
function series(samples: readonly Sample[], { name }: { readonly name: string }) {
  const found = samples.filter((each) => each.name === name);
  return Object.fromEntries(found.map(({ labels, value }) => [labels.join(' '), value]));
}

/** How many a histogram has counted. */
function countOf(value: Sample['value'] | undefined): number {
  if (typeof value !== 'object') throw new Error('no histogram');
  return value.slice(0, -1).reduce((sum, each) => sum + each, 0);
}

describe('Histogram', () => {
  test.each([
    [0, 0],
    [0.1, 0],
    [0.100_001, 1],
    [1, 3],
    [250, 10],
    [251, 11],
    [300_000, BOUNDS.length - 1],
    [300_001, BOUNDS.length],
    [1e9, BOUNDS.length],
  ])('%d ms is in bucket %i', (ms, bucket) => {
    const histogram = new Histogram();
    histogram.observe(ms);
    const cells = histogram.cells();
    expect(cells).toHaveLength(CELLS);
    expect(
      cells.flatMap((count, index) => (count === 1 && index < CELLS - 1 ? [index] : [])),
    ).toEqual([bucket]);
    expect(cells.at(-1)).toBeCloseTo(ms / 1000, 9);
  });

  test('bounds are those of Prometheus: seconds, in order, without noise in their last digits', () => {
    expect(BOUNDS).toEqual([...BOUNDS].sort((a, b) => a - b));
    expect(BOUNDS.map(String).filter((text) => text.length > 7)).toEqual([]);
    expect([BOUNDS[0], BOUNDS.at(-1)]).toEqual([0.0001, 300]);
  });

  test('sums of two are sums of their cells', () => {
    const [a, b] = [new Histogram(), new Histogram()];
    a.observe(1);
    b.observe(1);
    b.observe(3000);
    const sum = addCells(a.cells(), b.cells());
    expect([sum[3], sum[14]]).toEqual([2, 1]);
    expect(sum.at(-1)).toBeCloseTo(3.002, 9);
  });
});

const ended = (changes: Partial<EndedRequest>): EndedRequest => ({
  method: 'GET',
  status: 200,
  outcome: 'miss',
  bytes: 10,
  complete: true,
  firstByteMs: 1,
  durationMs: 2,
  ...changes,
});

describe('requests of a mount', () => {
  test.each<[string, Partial<EndedRequest>, string]>([
    ['GET', {}, 'm GET 200'],
    ['HEAD', { method: 'HEAD', status: 304 }, 'm HEAD 304'],
    ['OPTIONS', { method: 'OPTIONS', status: 204 }, 'm OPTIONS 204'],
    ['a method that is not served', { method: 'BREW', status: 405 }, 'm other 405'],
    ['methods in lower case, which are others', { method: 'get', status: 405 }, 'm other 405'],
    ['a client that left', { status: 499 }, 'm GET 499'],
    ['a status that is not expected', { status: 299 }, 'm GET other'],
    ['one that is none', { status: 7000 }, 'm GET other'],
  ])('%s', (_, changes, labels) => {
    const counters = new MountCounters('m');
    counters.ended(ended(changes));
    counters.ended(ended(changes));
    const counted = Object.entries(series(counters.samples(), http.requests));
    expect(counted.filter(([, count]) => count !== 0)).toEqual([[labels, 2]]);
  });

  test('what most likely comes is there from the start, as 0', () => {
    const samples = new MountCounters('m').samples();
    expect(series(samples, http.requests)).toEqual({
      'm GET 200': 0,
      'm GET 304': 0,
      'm GET 404': 0,
      'm GET 500': 0,
      'm GET 503': 0,
      'm GET 504': 0,
    });
    expect(series(samples, http.bytes)).toEqual({ m: 0 });
    expect(series(samples, http.firstByte)).toEqual({});
  });

  test('those from memory count with the others', () => {
    const counters = new MountCounters('m');
    const { hot } = counters;
    for (let i = 0; i < 3; i++) hot.sentWhole(100, 0.01);
    for (let i = 0; i < 2; i++) hot.sentNotModified(0.01);
    counters.ended(ended({ outcome: 'hit', bytes: 7 }));
    counters.ended(ended({ method: 'HEAD', outcome: 'miss', bytes: 0 }));
    const samples = counters.samples();
    expect(series(samples, http.requests)).toMatchObject({
      'm GET 200': 4,
      'm GET 304': 2,
      'm HEAD 200': 1,
    });
    expect(series(samples, http.bytes)).toEqual({ m: 307 });
    const firstByte = series(samples, http.firstByte);
    expect([countOf(firstByte['m hit']), countOf(firstByte['m miss'])]).toEqual([6, 1]);
    expect(countOf(series(samples, http.duration).m)).toBe(7);
  });

  test.each<[string, Partial<EndedRequest>, number, number]>([
    ['whole', {}, 0, 1],
    ['cut off', { complete: false }, 1, 1],
    ['left before it began', { complete: false, firstByteMs: null, status: 499 }, 0, 0],
  ])('an answer that was %s', (_, changes, cut, begun) => {
    const counters = new MountCounters('m');
    counters.ended(ended(changes));
    const samples = counters.samples();
    expect(series(samples, http.cut)).toEqual({ m: cut });
    expect(Object.keys(series(samples, http.firstByte))).toHaveLength(begun);
    expect(countOf(series(samples, http.duration).m)).toBe(1);
  });

  test.each<RequestOutcome>(['hit', 'miss', 'revalidated', 'stale', 'bypass', 'none', 'error'])(
    'outcome %s',
    (outcome) => {
      const counters = new MountCounters('m');
      counters.ended(ended({ outcome, firstByteMs: 40 }));
      const found = series(counters.samples(), http.firstByte);
      expect(Object.keys(found)).toEqual([`m ${outcome}`]);
      expect(countOf(found[`m ${outcome}`])).toBe(1);
    },
  );

  test('every sample is one that the supervisor takes', () => {
    const counters = new MountCounters('m');
    counters.ended(ended({}));
    for (const each of counters.samples()) {
      expect([each, isSample(JSON.parse(JSON.stringify(each)))]).toEqual([each, true]);
    }
  });
});

describe('jobs of a volume', () => {
  test('by kind, and failures by reason, all there from the start', () => {
    const counters = new VolumeCounters();
    counters.took('open', 3);
    counters.took('open', 3);
    counters.took('read', 3);
    counters.failed('timeout');
    counters.failed('not-found');
    counters.failed('cancelled');
    const samples = counters.samples('v');
    const jobs = series(samples, volumes.jobs);
    expect(Object.entries(jobs).map(([labels, value]) => [labels, countOf(value)])).toEqual([
      ['v open', 2],
      ['v read', 1],
      ['v list', 0],
    ]);
    expect(series(samples, volumes.errors)).toEqual({
      'v connecting': 0,
      'v down': 0,
      'v busy': 0,
      'v timeout': 1,
      'v io': 0,
      'v changed': 0,
    });
    expect(samples.every(isSample)).toBe(true);
  });
});
