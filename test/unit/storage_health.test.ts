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
