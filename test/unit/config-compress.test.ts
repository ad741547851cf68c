/** `compress` and what belongs to it. */
import { expect, test } from '@jest/globals';
import { loadConfigText } from '../../src/config/load.js';
import { mediaRange } from '../../src/config/media_ranges.js';
import { formatConfigError, type MountConfig } from '../../src/config/types.js';
import { testRows } from '../support/value_rows.js';

function load(mount: string, cache = ''): MountConfig | string[] {
  const text = `[server]\nlisten[] = :80\nworkers = 1\n[volume v]\nservers = a\n[mount m]\npath = /\nvolume = v\n${mount}\n${cache}`;
  const result = loadConfigText(text, 's.ini', {});
  if (!result.ok) return result.errors.map(formatConfigError);
  return result.config.mounts[0] ?? [];
}

test('nothing is compressed by default', () => {
  expect(load('')).toMatchObject({ compress: [], compressMinBytes: 1024 });
});

test('the keys are read', () => {
  const mount =
    'compress = gzip, br\ncompress-types = Text/*, application/x\ncompress-min-size = 2K';
  expect(load(mount)).toMatchObject({
    compress: ['gzip', 'br'],
    compressTypes: ['text/*', 'application/x'],
    compressMinBytes: 2048,
  });
});

test.each([
  ['compress = zstd', '', '9: [mount m] compress: "zstd" is not one of br, gzip'],
  ['compress = br, br', '', '9: [mount m] compress: "br" is listed twice'],
  ['compress-types = */*', '', '9: [mount m] compress-types: has no effect without compress'],
  ['compress-min-size = 0', '', '9: [mount m] compress-min-size: has no effect without compress'],
  [
    'compress = br',
    '[cache]\nsize = 0',
    '9: [mount m] compress: needs the cache, as each file is compressed once and kept there; [cache] size = 0 turns it off',
  ],
  [
    'compress = br\ncompress-min-size = 3M',
    '',
    '10: [mount m] compress-min-size: is more than [cache] max-object, and only files up to that, 2097152 bytes, are compressed',
  ],
  [
    'compress = br\ncompress-types = text/html, html',
    '',
    '10: [mount m] compress-types: "html" is not a media type, such as application/json or text/*',
  ],
])('%s', (mount, cache, message) => {
  expect(load(mount, cache)).toEqual([`s.ini:${message}`]);
});

test('what is wrong with the cache makes no error of the mount', () => {
  expect(load('compress = br', '[cache]\nsize = x')).toHaveLength(1);
  expect(load('compress = x', '[cache]\nsize = 0')).toHaveLength(1);
});

testRows(
  'media types',
  [
    ['exact', mediaRange, 'application/json', 'application/json'],
    ['any', mediaRange, '*/*', '*/*'],
    ['part', mediaRange, 'Application/*+XML', 'application/*+xml'],
  ],
  [
    ['bare', mediaRange, '*', '…"*" is not a media type, such as application/json or text/*'],
    ['parameter', mediaRange, 'a/b;c', '…is not a media type, such as application/json or text/*'],
    ['two', mediaRange, 'a/b/c', '…is not a media type, such as application/json or text/*'],
    ['blank', mediaRange, 'a /b', '…is not a media type, such as application/json or text/*'],
  ],
);
