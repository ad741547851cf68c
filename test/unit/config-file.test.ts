import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config/load.js';
import { formatConfigError } from '../../src/config/types.js';

const right =
  '[server]\nlisten[] = :80\n[volume v]\nservers = a\n[mount m]\npath = /\nvolume = v\n';

describe('a file', () => {
  let directory = '';
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'gfserve-config-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  function fileErrors(bytes: Uint8Array | string): string[] {
    const path = join(directory, 'server.ini');
    writeFileSync(path, bytes);
    const result = loadConfig(path, {});
    return result.ok
      ? []
      : result.errors.map((error) => formatConfigError(error).replace(`${directory}/`, ''));
  }

  test('is loaded, and named as it was given', () => {
    const path = join(directory, 'right.ini');
    writeFileSync(path, `\ufeff${right}`.replaceAll('\n', '\r\n'));
    const result = loadConfig(path, {});
    expect(result).toMatchObject({ ok: true, config: { file: path, warnings: [] } });
  });

  test('that is not there', () => {
    expect(loadConfig('/nowhere/x.ini', {})).toEqual({
      ok: false,
      errors: [
        {
          file: '/nowhere/x.ini',
          line: null,
          section: null,
          key: null,
          message: 'there is no such file',
        },
      ],
    });
  });

  test('that is a directory', () => {
    const result = loadConfig(directory, {});
    expect(result.ok ? [] : result.errors.map(formatConfigError)).toEqual([
      `${directory}: this is a directory, not a file`,
    ]);
  });

  test('that is no path at all', () => {
    const result = loadConfig('a\0b', {});
    expect(result.ok ? [] : result.errors.map(({ message }) => message)).toEqual([
      "this file can't be read (ERR_INVALID_ARG_VALUE)",
    ]);
  });

  test('that is not UTF-8', () => {
    expect(fileErrors(Buffer.from('; a\n; \xe9\n; \xff\xfe', 'latin1'))).toEqual([
      'server.ini:2: is not valid UTF-8',
      'server.ini:3: is not valid UTF-8',
    ]);
    expect(fileErrors(Buffer.from('\ufeff[server]', 'utf16le'))).toEqual([
      'server.ini:1: is not valid UTF-8',
    ]);
  });

  test('that is empty', () => {
    expect(fileErrors('')).toHaveLength(3);
  });
});
