/** Preconditions, against a literal transcription of RFC 9110 §13.2.2. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  evaluatePreconditions,
  rangeCounts,
  UNCONDITIONAL,
  type Validators,
} from '../../src/http/conditional.js';
import { httpDate, parseHttpDate } from '../../src/http/dates.js';

const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);
const CHANGED = 784111777;
const current: Validators = { etag: '"abc-1"', lastModified: CHANGED };

/** One value of a header, and what it means, as it was put together: nothing is parsed here. */
interface Tags {
  readonly text: string;
  /** '*', or the tags; null: there is no such header. */
  readonly meaning: '*' | readonly { readonly weak: boolean; readonly opaque: string }[] | null;
}

interface Since {
  readonly text: string;
  /** Seconds; null: no header, or no date. */
  readonly meaning: number | null;
}

/** "When recipient is the origin server …, evaluate the preconditions in the following order". */
function transcribed(ifMatch: Tags, ifUnmodified: Since, ifNoneMatch: Tags, ifModified: Since) {
  const strong = (tags: Tags): boolean =>
    tags.meaning === '*' ||
    (tags.meaning?.some(({ weak, opaque }) => !weak && `"${opaque}"` === current.etag) ?? false);
  const weakly = (tags: Tags): boolean =>
    tags.meaning === '*' ||
    (tags.meaning?.some(({ opaque }) => `"${opaque}"` === current.etag) ?? false);
  // 1. When recipient is the origin server and If-Match is present: if true, continue to step 3; if false, 412.
  if (ifMatch.meaning !== null) {
    if (!strong(ifMatch)) return 'failed';
    // 2. … If-Match is not present, and If-Unmodified-Since is present: if false, 412.
  } else if (ifUnmodified.meaning !== null) {
    // §13.1.4: true if the selected representation's last modification date is earlier than or equal to the date.
    if (!(current.lastModified <= ifUnmodified.meaning)) return 'failed';
  }
  // 3. When If-None-Match is present: if true, continue to step 5; if false for GET/HEAD, 304.
  if (ifNoneMatch.meaning !== null) {
    if (weakly(ifNoneMatch)) return 'not-modified';
    // 4. When the method is GET or HEAD, If-None-Match is not present, and If-Modified-Since is present: if false, 304.
  } else if (ifModified.meaning !== null) {
    // §13.1.3: false if the last modification date is earlier or equal to the date.
    if (current.lastModified <= ifModified.meaning) return 'not-modified';
  }
  return 'proceed';
}

const absent = { text: '', meaning: null };

const tag = fc.record({
  weak: fc.boolean(),
  opaque: fc.oneof(fc.constant('abc-1'), fc.stringMatching(/^[!#-~]{0,6}$/), fc.constant('a,b')),
});
const blank = fc.constantFrom('', ' ', '\t', '  ');
const tagList: fc.Arbitrary<Tags> = fc
  .array(fc.tuple(tag, blank, blank, fc.constantFrom(',', ',,', ', ,')), {
    minLength: 1,
    maxLength: 5,
  })
  .map((items) => ({
    text: items
      .map(([{ weak, opaque }, before, after, comma], index) => {
        const text = `${before}${weak ? 'W/' : ''}"${opaque}"${after}`;
        return index === items.length - 1 ? text : text + comma;
      })
      .join(''),
    meaning: items.map(([item]) => item),
  }));
const tags: fc.Arbitrary<Tags> = fc.oneof(
  { weight: 3, arbitrary: tagList },
  fc.constant({ text: '*', meaning: '*' as const }),
  { weight: 2, arbitrary: fc.constant(absent) },
);

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** The three formats of RFC 9110 §5.6.7, put together field by field. */
function written(seconds: number, format: 'imf' | 'rfc850' | 'asctime'): string {
  const date = new Date(seconds * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':');
  const month = date.toLocaleString('en-US', { month: 'short', timeZone: 'UTC' });
  const day = DAYS[date.getUTCDay()] ?? '';
  const year = date.getUTCFullYear();
  switch (format) {
    case 'imf':
      return `${day.slice(0, 3)}, ${two(date.getUTCDate())} ${month} ${year} ${time} GMT`;
    case 'rfc850':
      return `${day}, ${two(date.getUTCDate())}-${month}-${two(year % 100)} ${time} GMT`;
    case 'asctime':
      return `${day.slice(0, 3)} ${month} ${String(date.getUTCDate()).padStart(2, ' ')} ${time} ${year}`;
  }
}

const format = fc.constantFrom('imf' as const, 'rfc850' as const, 'asctime' as const);
const since: fc.Arbitrary<Since> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        fc.oneof(
          fc.constantFrom(CHANGED - 1, CHANGED, CHANGED + 1),
          // Within the century that a two-digit year can mean.
          fc.integer({ min: Date.UTC(1980, 0) / 1000, max: Date.UTC(2070, 0) / 1000 }),
        ),
        format,
      )
      .map(([seconds, how]) => ({ text: written(seconds, how), meaning: seconds })),
  },
  fc
    .constantFrom(
      'yesterday',
      '0',
      '784111777',
      'Sun, 06 Nov 1994 08:49:37',
      '1994-11-06T08:49:37Z',
    )
    .map((text) => ({ text, meaning: null })),
  { weight: 2, arbitrary: fc.constant(absent) },
);

test('any combination of preconditions decides as RFC 9110 §13.2.2 does', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(tags, since, tags, since, (ifMatch, unmodified, ifNoneMatch, modified) => {
      const conditions = {
        ...UNCONDITIONAL,
        ifMatch: ifMatch.text,
        ifUnmodifiedSince: unmodified.text,
        ifNoneMatch: ifNoneMatch.text,
        ifModifiedSince: modified.text,
      };
      const decision = evaluatePreconditions(conditions, current, NOW);
      seen.add(decision);
      expect(decision).toBe(transcribed(ifMatch, unmodified, ifNoneMatch, modified));
    }),
    { numRuns: 3000 },
  );
  expect([...seen].sort()).toEqual(['failed', 'not-modified', 'proceed']);
});

describe('lists of entity tags', () => {
  test.each([
    ['"abc-1"', true],
    ['W/"abc-1"', true],
    ['"x", "abc-1"', true],
    ['"a,b" ,W/"abc-1"', true],
    [' * ', true],
    ['abc-1', false],
    ['"abc-1', false],
    ['"abc-1" "x"', false],
    ['w/"abc-1"', false],
    ['*, "x"', false],
    [',', false],
  ])('If-None-Match: %s', (ifNoneMatch, matches) => {
    expect(evaluatePreconditions({ ...UNCONDITIONAL, ifNoneMatch }, current, NOW)).toBe(
      matches ? 'not-modified' : 'proceed',
    );
  });

  // A way through it that took the square of its length would take hours.
  test.each([' ', ',', '"', '" '])('a megabyte of %j is read in one pass', (text) => {
    const ifNoneMatch = `${text.repeat(1_000_000)}x`;
    expect(evaluatePreconditions({ ...UNCONDITIONAL, ifNoneMatch }, current, NOW)).toBe('proceed');
  });
});

describe('If-Range', () => {
  const now = (CHANGED + 60) * 1000;
  test.each([
    ['', now, true],
    ['"abc-1"', now, true],
    ['W/"abc-1"', now, false],
    ['"abc-2"', now, false],
    ['"abc-1", "x"', now, false],
    [httpDate(CHANGED), now, true],
    [written(CHANGED, 'asctime'), now, true],
    [httpDate(CHANGED - 1), now, false],
    [httpDate(CHANGED + 1), now, false],
    ['yesterday', now, false],
    // The second is not over: what was changed twice in it looks the same.
    [httpDate(CHANGED), CHANGED * 1000 + 999, false],
    [httpDate(CHANGED), CHANGED * 1000 + 1000, true],
  ])('%s', (ifRange, nowMs, counts) => {
    expect(rangeCounts(ifRange, current, nowMs)).toBe(counts);
  });
});

describe('dates', () => {
  test('each format says what was put into it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: Date.UTC(1980, 0) / 1000, max: Date.UTC(2070, 0) / 1000 }),
        format,
        (seconds, how) => {
          expect(parseHttpDate(written(seconds, how), NOW)).toBe(seconds);
        },
      ),
    );
  });

  test.each([
    ['Sun, 06 Nov 1994 08:49:37 GMT', 784111777],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 784111777],
    ['Sun Nov  6 08:49:37 1994', 784111777],
    ['Saturday, 01-Jan-00 00:00:00 GMT', 946684800],
    // 50 years ahead at most, as seen from 2026.
    ['Friday, 31-Dec-76 23:59:59 GMT', Date.UTC(2076, 11, 31, 23, 59, 59) / 1000],
    ['Friday, 31-Dec-77 23:59:59 GMT', Date.UTC(1977, 11, 31, 23, 59, 59) / 1000],
    ['Sat, 31 Dec 2016 23:59:60 GMT', Date.UTC(2017, 0, 1) / 1000],
    ['Thu, 01 Jan 0001 00:00:00 GMT', -62135596800],
    ['Sun, 30 Feb 1994 08:49:37 GMT', null],
    ['Sun, 06 Nov 1994 24:00:00 GMT', null],
    ['Sun, 06 Nov 1994 08:60:00 GMT', null],
    ['Sun, 6 Nov 1994 08:49:37 GMT', null],
    ['sun, 06 nov 1994 08:49:37 gmt', null],
    ['Sun, 06 Nov 1994 08:49:37 UTC', null],
    ['Sun, 06 Nov 1994 08:49:37 GMT ', null],
    ['', null],
  ])('%s', (text, seconds) => {
    expect(parseHttpDate(text, NOW)).toBe(seconds);
  });
});
