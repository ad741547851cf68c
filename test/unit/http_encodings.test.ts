/** Accept-Encoding against what a mount offers, and the candidates that follow from it. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createNegotiation, type Encoding, type Offer } from '../../src/http/encodings.js';
import { candidatesFor, chosen } from '../../src/http/resolve.js';
import { testMount } from '../support/test_mount.js';

/** `br` for a sibling, `+br` for what we compress. */
const shown = (offers: readonly Offer[]): string[] =>
  offers.map(({ kind, encoding }) => (kind === 'sibling' ? encoding : `+${encoding}`));
const siblings = (encodings: readonly Encoding[]): Offer[] =>
  encodings.map((encoding) => ({ kind: 'sibling', encoding }));

describe('a mount that offers br, zstd and gzip', () => {
  const negotiate = createNegotiation(['br', 'zstd', 'gzip']);
  test.each<[string, Encoding[]]>([
    ['', []],
    ['gzip', ['gzip']],
    ['gzip, deflate, br, zstd', ['br', 'zstd', 'gzip']],
    ['gzip;q=1.0, br;q=0.5', ['gzip', 'br']],
    ['GZIP', ['gzip']],
    ['x-gzip', ['gzip']],
    ['*', ['br', 'zstd', 'gzip']],
    ['*;q=0.5, gzip', ['gzip', 'br', 'zstd']],
    ['*, br;q=0', ['zstd', 'gzip']],
    ['br;q=0, gzip;q=0', []],
    ['deflate', []],
    // What is ranked below identity is not offered; what is ranked the same is.
    ['identity, gzip;q=0.5', []],
    ['identity;q=0.5, gzip;q=0.5', ['gzip']],
    ['br, identity;q=0.8, gzip;q=0.2', ['br']],
    // Identity refused: there is still nothing else to offer than these.
    ['identity;q=0', []],
    ['identity;q=0, gzip', ['gzip']],
    ['*;q=0', []],
    ['nonsense;;q=,,,', []],
  ])('%s', (header, encodings) => {
    expect(shown(negotiate(header))).toEqual(encodings);
    expect(shown(negotiate(header))).toEqual(encodings); // remembered
  });

  test('whatever the header, only what is offered, each once', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        const encodings = shown(negotiate(header));
        expect(new Set(encodings).size).toBe(encodings.length);
        for (const encoding of encodings) expect(['br', 'zstd', 'gzip']).toContain(encoding);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a mount with br and gzip siblings that compresses into br and gzip', () => {
  const negotiate = createNegotiation(['gzip', 'br'], ['br', 'gzip']);
  test.each<[string, string[]]>([
    // What is there already goes before what has to be compressed, where the client likes both equally.
    ['gzip, deflate, br, zstd', ['gzip', 'br', '+br', '+gzip']],
    ['br, gzip;q=0.9', ['br', '+br', 'gzip', '+gzip']],
    ['br;q=0.5, gzip', ['gzip', '+gzip', 'br', '+br']],
    ['gzip', ['gzip', '+gzip']],
    ['X-GZIP', ['gzip', '+gzip']],
    ['*', ['gzip', 'br', '+br', '+gzip']],
    ['*;q=0.5, br', ['br', '+br', 'gzip', '+gzip']],
    ['br;q=0, *', ['gzip', '+gzip']],
    ['identity, br;q=0.5', []],
    ['identity;q=0.5, br;q=0.5', ['br', '+br']],
    ['identity;q=0.5, br;q=0.4, gzip', ['gzip', '+gzip']],
    ['identity;q=0', []],
    ['zstd', []],
    ['', []],
  ])('%s', (header, offers) => {
    expect(shown(negotiate(header))).toEqual(offers);
  });

  test('one that offers zstd siblings only compresses the others', () => {
    const other = createNegotiation(['zstd'], ['gzip', 'br']);
    expect(shown(other('gzip, br, zstd'))).toEqual(['zstd', '+gzip', '+br']);
    expect(shown(other('gzip, br, zstd;q=0.5'))).toEqual(['+gzip', '+br', 'zstd']);
  });
});

test('a mount without precompressed files looks at no header', () => {
  expect(createNegotiation([])('br, gzip')).toEqual([]);
});

describe('candidates', () => {
  const mount = testMount({ index: ['index.html', 'index.htm'], precompressed: ['br', 'gzip'] });
  test.each<[string, Encoding[], string[]]>([
    ['/app.js', [], ['/app.js']],
    ['/app.js', ['br', 'gzip'], ['/app.js.br', '/app.js.gz', '/app.js']],
    ['/app.js.br', ['br', 'gzip'], ['/app.js.br.gz', '/app.js.br']],
    ['/', [], ['/index.html', '/index.htm', '/']],
    [
      '/d/',
      ['gzip'],
      ['/d/index.html.gz', '/d/index.html', '/d/index.htm.gz', '/d/index.htm', '/d/'],
    ],
  ])('%s with %j', (rest, encodings, paths) => {
    expect(candidatesFor(mount, rest, siblings(encodings)).paths).toEqual(paths);
  });

  test('the type goes by the name of the original', () => {
    const choice = candidatesFor(mount, '/app.js', siblings(['br', 'gzip']));
    const sibling = { kind: 'sibling', encoding: 'gzip' };
    expect(chosen(choice, 1)).toEqual({ name: '/app.js', form: sibling });
    expect(chosen(choice, 2)).toEqual({ name: '/app.js', form: { kind: 'plain' } });
    const packed = { name: '/a.gz', form: { kind: 'plain' } };
    expect(chosen(candidatesFor(mount, '/a.gz', []), 0)).toEqual(packed);
  });
});
