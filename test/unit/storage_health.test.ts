/** What signs make of a volume's state. */
import { describe, expect, test } from '@jest/globals';
import { type Brick, Health } from '../../src/storage/health.js';

const brick = (name: string, connected: boolean, group = name, needed = 1): Brick => ({
  xlator: name,
  text: `host:/${name}`,
  connected,
  group,
  needed,
});

const state = (health: Health, nowMs: number): string => health.verdict(nowMs).state;

describe('silence', () => {
  test('a deadline that passes is nothing as long as anything is answered', () => {
    const health = new Health(16);
    health.answered(1000);
    health.overdue(500); // asked before that answer
    expect(state(health, 2000)).toBe('healthy');
  });

  test('a deadline without any answer since the request was made', () => {
    const health = new Health(16);
    health.answered(1000);
    health.overdue(2000);
    health.overdue(1500);
    expect(health.verdict(11_500)).toEqual({
      state: 'down',
      reason: 'it has answered nothing for 10 s',
    });
    expect(health.silent).toBe(true);
    health.answered(12_000);
    expect(state(health, 12_000)).toBe('healthy');
  });
});

describe('threads', () => {
  test.each([
    [0, 'healthy'],
    [1, 'degraded'],
    [15, 'degraded'],
    [16, 'down'],
  ])('%d of 16 stuck: %s', (stuck, expected) => {
    const health = new Health(16);
    health.threadsStuck(stuck);
    expect(state(health, 0)).toBe(expected);
    health.threadsStuck(0);
    expect(state(health, 0)).toBe('healthy');
  });
});

describe('bricks', () => {
  const replica = (...connected: boolean[]): Brick[] =>
    connected.map((each, index) => brick(`b${index}`, each, 'replicate-0'));
  const disperse = (...connected: boolean[]): Brick[] =>
    connected.map((each, index) => brick(`b${index}`, each, 'disperse-0', 2));

  test.each<[string, Brick[], string, boolean]>([
    ['unknown yet', [], 'healthy', false],
    ['all of a replica', replica(true, true, true), 'healthy', false],
    ['two of a replica', replica(true, false, true), 'degraded', false],
    ['one of a replica', replica(false, false, true), 'degraded', false],
    ['none of a replica', replica(false, false, false), 'down', true],
    ['one of two', [brick('a', true), brick('b', false)], 'degraded', true],
    ['two of three, of which two are needed', disperse(true, true, false), 'degraded', false],
    ['one of three, of which two are needed', disperse(true, false, false), 'degraded', true],
  ])('%s', (_what, bricks, expected, hides) => {
    const health = new Health(16);
    health.bricksSeen(bricks, 1000);
    expect(state(health, 1000)).toBe(expected);
    expect(health.hidesFiles(1000)).toBe(hides);
  });

  test('files stay uncertain for a moment after the brick is back', () => {
    const health = new Health(16);
    health.bricksSeen([brick('a', true), brick('b', false)], 1000);
    health.bricksSeen([brick('a', true), brick('b', true)], 1500);
    expect(state(health, 1500)).toBe('healthy');
    expect(health.hidesFiles(2999)).toBe(true);
    expect(health.hidesFiles(3001)).toBe(false);
  });

  test('when the first comes back, it has to answer something first', () => {
    const health = new Health(16);
    health.bricksSeen(replica(false, false), 1000);
    health.answered(1100); // from a cache of libgfapi
    expect(state(health, 1100)).toBe('down');
    health.bricksSeen(replica(true, false), 2000);
    expect(state(health, 2000)).toBe('down');
    health.answered(2100);
    expect(state(health, 2100)).toBe('degraded');
  });

  test('only a few of many are named', () => {
    const health = new Health(16);
    health.bricksSeen(
      Array.from({ length: 9 }, (_, index) => brick(`b${index}`, false, 'g')),
      0,
    );
    expect(health.verdict(0).reason).toMatch(/host:\/b3 and 5 more$/);
  });
});

describe('a new graph', () => {
  const replica = (
    states: readonly boolean[],
    at: readonly string[] = ['b0', 'b1', 'b2'],
  ): Brick[] =>
    states.map((connected, index) => ({
      ...brick(`client-${index}`, connected, 'replicate-0'),
      text: `host:/${at[index]}`,
    }));
  const [all, none] = [replica([true, true, true]), replica([false, false, false])];
  const oneGone = replica([true, true, false]);

  /** What was seen and when, as [ms, bricks, graph], and the state after each. */
  test.each<[string, readonly (readonly [number, Brick[], string, string])[]]>([
    [
      'is not gone before it has been connected',
      [
        [0, all, 'g1', 'healthy'],
        [500, none, 'g2', 'healthy'],
        [1000, replica([true, false, false]), 'g2', 'healthy'],
        [1500, all, 'g2', 'healthy'],
      ],
    ],
    [
      'is gone when it was not connected in time',
      [
        [0, all, 'g1', 'healthy'],
        [500, none, 'g2', 'healthy'],
        [10_499, none, 'g2', 'healthy'],
        [10_500, none, 'g2', 'down'],
      ],
    ],
    [
      'does not make healthy what was down',
      [
        [0, none, 'g1', 'down'],
        [500, none, 'g2', 'down'],
        [1000, all, 'g2', 'down'], // until something is answered
      ],
    ],
    [
      'does not bring back a brick that was gone before',
      [
        [0, oneGone, 'g1', 'degraded'],
        [500, none, 'g2', 'degraded'],
        [1000, oneGone, 'g2', 'degraded'],
        [1500, all, 'g2', 'healthy'],
      ],
    ],
    [
      'has lost a brick that was connected in it',
      [
        [0, all, 'g1', 'healthy'],
        [500, all, 'g2', 'healthy'],
        [1000, oneGone, 'g2', 'degraded'],
        [1500, none, 'g2', 'down'],
      ],
    ],
    [
      'with a brick in the place of one that was gone',
      [
        [0, oneGone, 'g1', 'degraded'],
        [500, replica([true, true, false], ['b0', 'b1', 'new']), 'g2', 'healthy'],
        [10_500, replica([true, true, false], ['b0', 'b1', 'new']), 'g2', 'degraded'],
      ],
    ],
    [
      'after another one that never came up',
      [
        [0, all, 'g1', 'healthy'],
        [500, none, 'g2', 'healthy'],
        [1000, none, 'g3', 'healthy'],
        [1500, all, 'g3', 'healthy'],
      ],
    ],
  ])('%s', (_what, seen) => {
    const health = new Health(16);
    for (const [nowMs, bricks, graph, expected] of seen) {
      health.bricksSeen(bricks, nowMs, graph);
      expect([nowMs, state(health, nowMs)]).toEqual([nowMs, expected]);
    }
  });

  test('hides files until all of its groups are connected', () => {
    const spread = (...connected: boolean[]): Brick[] =>
      connected.map((each, index) => brick(`b${index}`, each));
    const health = new Health(16);
    health.bricksSeen(spread(true, true), 0, 'g1');
    expect(health.hidesFiles(500)).toBe(false);
    health.bricksSeen(spread(true, false, true), 500, 'g2');
    expect(health.hidesFiles(500)).toBe(true);
    expect(state(health, 500)).toBe('healthy');
    health.bricksSeen(spread(true, true, true), 1000, 'g2');
    expect(health.hidesFiles(2499)).toBe(true);
    expect(health.hidesFiles(2501)).toBe(false);
  });

  test('says that it is another one', () => {
    const health = new Health(16);
    const seen = ['g1', 'g1', 'g2', 'g2', 'g1'].map((graph, i) => health.bricksSeen(all, i, graph));
    expect(seen).toEqual([false, false, true, false, true]);
  });
});

describe('what may soon be right', () => {
  const spread = (...connected: boolean[]): Brick[] =>
    connected.map((each, index) => brick(`b${index}`, each));

  test.each<[string, readonly (readonly [number, Brick[], string])[], number, number, boolean]>([
    ['nothing is known', [], 0, 0, false],
    ['all is as it always was', [[0, spread(true, true), 'g1']], 0, 100, false],
    ['a brick was gone at the start', [[0, spread(true, false), 'g1']], 0, 100, false],
    [
      'a brick went a moment ago',
      [
        [0, spread(true, true), 'g1'],
        [500, spread(true, false), 'g1'],
      ],
      5400,
      5499,
      true,
    ],
    [
      'a brick went long ago',
      [
        [0, spread(true, true), 'g1'],
        [500, spread(true, false), 'g1'],
      ],
      5400,
      5500,
      false,
    ],
    [
      'a brick went since it was asked for',
      [
        [0, spread(true, true), 'g1'],
        [500, spread(true, false), 'g1'],
      ],
      400,
      9000,
      true,
    ],
    [
      'a new graph is not up',
      [
        [0, spread(true, true), 'g1'],
        [500, spread(false, false), 'g2'],
        [8000, spread(false, false), 'g2'],
      ],
      7000,
      8000,
      true,
    ],
    [
      'all bricks are gone',
      [
        [0, spread(true, true), 'g1'],
        [500, spread(false, false), 'g1'],
      ],
      500,
      600,
      false,
    ],
  ])('%s', (_what, seen, sinceMs, nowMs, expected) => {
    const health = new Health(16);
    for (const [atMs, bricks, graph] of seen) health.bricksSeen(bricks, atMs, graph);
    expect(health.isPassing(sinceMs, nowMs)).toBe(expected);
  });
});

describe('where a file can seem not to be there although its bricks are', () => {
  const of = (...groups: readonly [string, number][]): Brick[] =>
    groups.map(([group, needed], index) => brick(`b${index}`, true, group, needed));

  test.each<[string, Brick[], boolean]>([
    ['nothing is known', [], true],
    ['one brick', of(['a', 1]), false],
    ['copies', of(['a', 1], ['a', 1], ['a', 1]), false],
    ['parts', of(['a', 2], ['a', 2], ['a', 2]), true],
    ['two bricks', of(['a', 1], ['b', 1]), true],
    ['two groups of copies', of(['a', 1], ['a', 1], ['b', 1], ['b', 1]), true],
  ])('%s', (_what, bricks, expected) => {
    const health = new Health(16);
    health.bricksSeen(bricks, 0);
    expect(health.spreadsFiles).toBe(expected);
  });
});

describe('a volume that is known to have other bricks', () => {
  const bricks = [brick('a', true, 'set'), brick('b', true, 'set')];

  test('what is not found may be on those, for as long as a connection to them takes', () => {
    const health = new Health(16);
    health.bricksSeen(bricks, 0);
    expect([health.spreadsFiles, health.hidesFiles(20_000)]).toEqual([false, false]);
    health.outdated(true, 20_000);
    health.outdated(true, 25_000);
    expect([health.spreadsFiles, health.hidesFiles(29_000)]).toEqual([true, true]);
    expect(health.isPassing(28_000, 29_000)).toBe(true);
    expect(health.hidesFiles(30_000)).toBe(false);
    expect(health.isPassing(29_500, 30_000)).toBe(false);
  });

  test('nothing of that is left when it has its former bricks again', () => {
    const health = new Health(16);
    health.bricksSeen(bricks, 0);
    health.outdated(true, 20_000);
    health.outdated(false, 21_000);
    expect([health.spreadsFiles, health.hidesFiles(22_000)]).toEqual([false, false]);
  });

  test('over the connection that took its place failures may pass for a while', () => {
    const health = new Health(16);
    health.changed(1_000);
    health.bricksSeen(bricks, 1_000);
    expect(health.isPassing(5_500, 5_900)).toBe(true);
    expect(health.isPassing(6_500, 6_600)).toBe(false);
  });
});
