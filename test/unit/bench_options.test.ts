import { describe, expect, test } from '@jest/globals';
import { help } from '../../bench/help.js';
import { readOptions, UsageError } from '../../bench/options.js';
import { PEERS } from '../../bench/peers/index.js';
import { SCENARIOS } from '../../bench/scenarios.js';

test('by default all scenarios run but the expensive ones, with the cache configured', () => {
  const options = readOptions(['--load', 'wrk']);
  expect(options).toMatchObject({
    ...{ rounds: 3, seconds: 5, generator: 'wrk', cacheSection: 'all', faults: false },
    ...{ json: null, svg: null, from: null, strict: false },
  });
  expect(options?.scenarios).toContain('mixed');
  expect(options?.scenarios).not.toContain('cold-4k-200k');
  expect(options?.peers).toEqual([
    ...['gfserve', 'gfserve-nocache', 'uwsgi', 'nginx-fuse', 'nginx-fuse-cache', 'nginx-local'],
    'limit',
  ]);
});

test('what is named is run, once, in that order', () => {
  const options = readOptions(['cold-4k-200k', 'faults', 'hot-4k', 'hot-4k', '--rounds', '1']);
  expect(options?.scenarios).toEqual(['cold-4k-200k', 'hot-4k']);
  expect(options).toMatchObject({ faults: true, rounds: 1 });
  expect(readOptions(['faults'])?.scenarios).toEqual([]);
});

test('single volume options go over those of the profile', () => {
  const args = ['--profile', 'plain', '--volume-option', 'a.b=c=d', '--volume-option', 'e=f'];
  expect(readOptions(args)?.volumeOptions).toEqual({ 'a.b': 'c=d', e: 'f' });
});

test.each([
  ['no such scenario', ['hot-5k']],
  ['no such peer', ['--peers', 'gfserve,apache']],
  ['no such load generator', ['--load', 'ab']],
  ['no such profile', ['--profile', 'best']],
  ['is not KEY=VALUE', ['--volume-option', 'x']],
  ['--rounds must be', ['--rounds', '0']],
  ['--seconds must be', ['--seconds', '1.5']],
  ['--cache-section must be', ['--cache-section', 'some']],
  ['needs --other', ['--peers', 'gfserve-other']],
  ["Unknown option '--fast'", ['--fast']],
])('refused: %s', (message, args) => {
  expect(() => readOptions(args)).toThrow(UsageError);
  expect(() => readOptions(args)).toThrow(message);
});

describe('the help', () => {
  test('is asked for', () => {
    expect(readOptions(['hot-4k', '-h'])).toBeNull();
  });

  test('names every scenario and every peer', () => {
    for (const name of [...Object.keys(SCENARIOS), ...Object.keys(PEERS), 'faults']) {
      expect(help()).toContain(`\n  ${name} `);
    }
  });
});

describe('scenarios', () => {
  test.each(Object.entries(SCENARIOS))('%s compares peers that take part', (_name, scenario) => {
    for (const name of [scenario.subject, ...scenario.goals.flatMap((g) => [g.subject, g.peer])]) {
      const kind = PEERS[name];
      expect(kind !== undefined && scenario.takes(kind.traits)).toBe(true);
    }
  });

  test('nothing that caches is measured cold, and what has no HTTP only there', () => {
    const takes = (name: string): string[] => {
      const kind = PEERS[name];
      return Object.keys(SCENARIOS).filter((key) => kind && SCENARIOS[key]?.takes(kind.traits));
    };
    const cold = ['cold-4k', 'new-4k', 'cold-4k-200k', '256m-x1', '256m-x8'];
    expect(takes('limit')).toEqual(cold);
    expect(takes('gfserve').filter((name) => cold.includes(name))).toEqual([]);
    expect(takes('uwsgi')).not.toContain('not-modified');
  });
});
