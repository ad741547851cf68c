import { expect, test } from '@jest/globals';
import { type Goal, judge } from '../../bench/goals.js';
import { pairRatio } from '../../bench/ratio.js';
import { rotated } from '../../bench/rounds.js';
import { cpuPerRequest, requestRate } from '../../bench/sample.js';
import { median, quantile, summarise } from '../../bench/statistics.js';
import { figure, ratioFigure, renderTable } from '../../bench/table.js';
import { sampleOf } from '../support/bench_samples.js';

test.each([
  [[], Number.NaN],
  [[3], 3],
  [[5, 1, 3], 3],
  [[4, 1, 3, 2], 2.5],
])('the median of %j is %d', (values, expected) => {
  expect(median(values)).toBe(expected);
});

test('a summary has both ends', () => {
  expect(summarise([3, 9, 4])).toEqual({ median: 4, min: 3, max: 9 });
});

test('ratios are taken within a round, not of medians', () => {
  // The machine got three times as fast in the meantime; ours was always twice as fast as theirs.
  const ours = [200, 400, 600, 600].map((requests) => sampleOf({ requests }));
  const theirs = [100, 200, 300, 300].map((requests) => sampleOf({ requests }));
  expect(pairRatio(requestRate, ours, theirs)).toBe(2);
  // Medians would say 300 to 200.
  const [a, b] = [
    [100, 300, 900],
    [50, 400, 200],
  ].map((all) => all.map((requests) => sampleOf({ requests })));
  expect(pairRatio(requestRate, a ?? [], b ?? [])).toBe(2);
});

test('what has no partner in its round, or no figure, does not count', () => {
  const [one, two, none] = [100, 200, 0].map((requests) => sampleOf({ requests }));
  if (one === undefined || two === undefined || none === undefined) throw new Error('no samples');
  expect(pairRatio(requestRate, [two, two], [one])).toBe(2);
  expect(pairRatio(requestRate, [two, two], [none, one])).toBe(2);
  expect(pairRatio(requestRate, [], [one])).toBeNaN();
});

const atLeast: Goal = {
  ...{ metric: requestRate, subject: 'gfserve', peer: 'nginx', bound: 'at least', factor: 2 },
};
const atMost: Goal = { ...atLeast, metric: cpuPerRequest, bound: 'at most', factor: 0.5 };

test.each([
  ['reached exactly', 200, true, true],
  ['exceeded', 300, true, true],
  ['missed', 199, false, false],
])('a goal is %s', (_title, requests, fast, cheap) => {
  const samples = new Map([
    ['gfserve', [sampleOf({ requests })]],
    ['nginx', [sampleOf({ requests: 100 })]],
  ]);
  expect(judge('hot', atLeast, samples).met).toBe(fast);
  expect(judge('hot', atMost, samples).met).toBe(cheap);
});

test('a goal is not met by a run with errors', () => {
  const samples = new Map([
    ['gfserve', [sampleOf({ requests: 300, errors: 1, errorText: 'read 1' })]],
    ['nginx', [sampleOf({ requests: 100 })]],
  ]);
  expect(judge('hot', atLeast, samples)).toEqual({
    met: false,
    text: "MISS  hot: gfserve's requests/s at least 2.00× nginx's: 3.00×, with errors",
  });
});

test('a goal whose peer did not run is neither met nor missed', () => {
  const samples = new Map([['gfserve', [sampleOf({})]]]);
  expect(judge('hot', atLeast, samples).met).toBeNull();
  expect(judge('hot', atLeast, new Map([...samples, ['nginx', []]])).met).toBeNull();
});

test('another peer is first in each round', () => {
  expect([0, 1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round).join(''))).toEqual([
    ...['abc', 'bca', 'cab', 'abc'],
  ]);
  expect(rotated([], 1)).toEqual([]);
});

test('figures are for people', () => {
  expect(figure(12345.6, 0)).toBe('12,346');
  expect(figure(Number.NaN, 0)).toBe('-');
  expect([0.374, 9.99, 12.4, Number.NaN].map(ratioFigure)).toEqual(['0.37×', '9.99×', '12×', '-']);
  expect(
    renderTable([
      ['a', '1'],
      ['long', '100'],
    ]),
  ).toBe('a       1\nlong  100');
});

test('a quantile is one of the values', () => {
  const values = [5, 1, 4, 2, 3];
  expect([0, 0.5, 0.99, 1].map((share) => quantile(values, share))).toEqual([1, 3, 5, 5]);
  expect(quantile([], 0.5)).toBeNaN();
});
