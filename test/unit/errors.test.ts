import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { catalogue, type ErrorInfo, isErrorCode } from '../../src/errors.js';

const entries: [string, ErrorInfo][] = Object.entries(catalogue);
// The tests run from dist/test/unit.
const docs = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');

test.each(entries)('%s has an entry in docs/errors.md, with its status', (code, { status }) => {
  const [, section = ''] = docs.split(new RegExp(`^## ${code}$`, 'm'));
  const text = section.split(/^## /m)[0]?.trim() ?? '';
  expect(text.length).toBeGreaterThan(80);
  const isStartUp = ['GFS_CONFIG', 'GFS_LISTEN', 'GFS_ADDON'].includes(code);
  expect(text).toMatch(isStartUp ? /^At start\./ : new RegExp(`^Status ${status}[.,]`));
});

test('docs/errors.md has no entry of a code that there is not', () => {
  const described = [...docs.matchAll(/^## (GFS_\w+)$/gm)].map(([, code]) => code);
  expect(described.sort()).toEqual(entries.map(([code]) => code).sort());
});

test.each(entries)(
  '%s has an error status, and Retry-After if and only if it is 503 or 504',
  (_code, info) => {
    expect(info.status).toBeGreaterThanOrEqual(400);
    expect(info.status).toBeLessThan(600);
    expect(info.retryAfterSeconds !== null).toBe([503, 504].includes(info.status));
    expect(info.summary).toMatch(/^[A-Z][^\n]*[a-z]$/);
    expect(Object.isFrozen(info)).toBe(true);
  },
);

test('only its own codes are codes', () => {
  expect(isErrorCode('GFS_BUSY')).toBe(true);
  for (const other of ['GFS_NOPE', 'toString', '__proto__', 1, null, undefined]) {
    expect(isErrorCode(other)).toBe(false);
  }
});
