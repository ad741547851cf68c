/** Requests for the site of nginx_site.ts that nginx passes on to gfserve, and the status that each is answered with. */
import { LAST_MODIFIED, NAMES, SIZES } from './nginx_site.js';

/** In a header, TAG stands for the ETag of the file. */
export type Row = readonly [path: string, status: number, headers?: Record<string, string>];

const title = ([path, , headers = {}]: Row): string =>
  `${path.length > 60 ? `${path.slice(0, 50)}... (${path.length})` : path} ${Object.entries(headers)
    .map((pair) => pair.join(': ').slice(0, 50))
    .join(', ')}`;
/** Rows with names for their tests. */
export const titled = (rows: readonly Row[]): [string, Row][] =>
  rows.map((row) => [title(row), row]);

const LATER = 'Sun, 01 Mar 2020 00:00:00 GMT';
const EARLIER = 'Sat, 29 Feb 2020 12:34:55 GMT';

const FILES: readonly Row[] = [
  ...SIZES.map((size) => [`/size-${size}.bin`, 200] as const),
  ...NAMES.map(([, path]) => [path, 200] as const),
  ['/dir/', 200],
  ['/pre/app.js', 200],
  ['/pre/app.js', 200, { 'Accept-Encoding': 'br' }],
  ['/pre/app.js', 200, { 'Accept-Encoding': 'gzip, deflate, br' }],
  ['/pre/app.js', 200, { 'Accept-Encoding': 'br;q=0, gzip' }],
  ['/pre/app.js', 200, { 'Accept-Encoding': 'identity;q=0' }],
  ['/app.js', 200, { 'Accept-Encoding': 'gzip, br' }],
  ['/r/a.txt', 200],
  ['/html/list/', 200],
  ['/html/list/?sort=size&order=desc', 200],
  ['/json/list/', 200],
  ['/html/many/', 200],
  ['/json/many/', 200],
  ['/dir/../a.txt', 200],
  ['/dir/%2e%2e/a.txt', 200],
  ['/dir%2f..%2Fa.txt', 200],
  ['/./dir/./a.txt', 200],
  ['//dir///a.txt', 200],
  ['/a.txt?a=/../b&c=%zz', 200],
  ['/a.txt#b', 200],
  ['/a.txt?', 200],
];

const CONDITIONS: readonly Row[] = [
  ['/a.txt', 304, { 'If-None-Match': 'TAG' }],
  ['/a.txt', 304, { 'If-None-Match': 'W/TAG' }],
  ['/a.txt', 304, { 'If-None-Match': '"x", TAG' }],
  ['/a.txt', 304, { 'If-None-Match': '*' }],
  ['/a.txt', 200, { 'If-None-Match': '"x"' }],
  ['/a.txt', 304, { 'If-Modified-Since': LAST_MODIFIED }],
  ['/a.txt', 304, { 'If-Modified-Since': LATER }],
  ['/a.txt', 304, { 'If-Modified-Since': 'Saturday, 29-Feb-20 12:34:56 GMT' }],
  ['/a.txt', 200, { 'If-Modified-Since': EARLIER }],
  // Where nginx itself would say 304.
  ['/a.txt', 200, { 'If-None-Match': '"x"', 'If-Modified-Since': LAST_MODIFIED }],
  ['/a.txt', 200, { 'If-Match': 'TAG' }],
  ['/a.txt', 412, { 'If-Match': '"x"' }],
  ['/a.txt', 412, { 'If-Match': 'W/TAG' }],
  ['/a.txt', 200, { 'If-Unmodified-Since': LAST_MODIFIED }],
  ['/a.txt', 412, { 'If-Unmodified-Since': EARLIER }],
  ['/size-10485761.bin', 304, { 'If-None-Match': 'TAG' }],
  ['/r/a.txt', 304, { 'If-None-Match': 'TAG' }],
  ['/r/a.txt', 412, { 'If-Match': '"x"' }],
  ['/pre/app.js', 304, { 'Accept-Encoding': 'br', 'If-None-Match': 'TAG' }],
  ['/pre/app.js', 200, { 'Accept-Encoding': 'br', 'If-None-Match': '"x"' }],
];

const RANGES: readonly Row[] = [
  ['/a.txt', 206, { Range: 'bytes=0-0' }],
  ['/a.txt', 206, { Range: 'bytes=3-' }],
  ['/a.txt', 206, { Range: 'bytes=-5' }],
  ['/a.txt', 206, { Range: 'bytes=0-500' }],
  ['/size-10485761.bin', 206, { Range: 'bytes=5000000-9999999' }],
  ['/size-10485761.bin', 206, { Range: 'bytes=-1' }],
  ['/a.txt', 206, { Range: 'bytes=6-8,0-1,11-11' }],
  ['/size-10485761.bin', 206, { Range: 'bytes=9000000-9999999,0-99,5000000-5000000' }],
  ['/pre/app.js', 206, { 'Accept-Encoding': 'br', Range: 'bytes=1-3' }],
  ['/r/a.txt', 206, { Range: 'bytes=1-3' }],
  ['/a.txt', 200, { Range: 'bytes=0-,0-' }],
  ['/a.txt', 200, { Range: 'lines=0-1' }],
  ['/a.txt', 416, { Range: 'bytes=100-' }],
  ['/a.txt', 416, { Range: 'bytes=5-2' }],
  ['/a.txt', 416, { Range: 'bytes=x' }],
  ['/size-0.bin', 416, { Range: 'bytes=0-0' }],
  ['/a.txt', 206, { Range: 'bytes=5-', 'If-Range': 'TAG' }],
  ['/a.txt', 206, { Range: 'bytes=5-', 'If-Range': LAST_MODIFIED }],
  ['/a.txt', 200, { Range: 'bytes=5-', 'If-Range': '"x"' }],
  ['/a.txt', 200, { Range: 'bytes=5-', 'If-Range': LATER }],
  ['/a.txt', 304, { Range: 'bytes=5-', 'If-None-Match': 'TAG' }],
];

const OTHERS: readonly Row[] = [
  ['/dir', 301],
  ['/dir?x=1&y=%20', 301],
  ['/dir/../dir?z', 301],
  ['//evil.example', 301],
  ['//evil.example/../dir', 301],
  ['/r/gone/x%20y?a=b', 301],
  ['/r/here/x', 302],
  ['/r/here//evil.example/x', 302],
  ['/r/who/x?q=1', 307],
  // nginx would take the upstream's name for its own.
  ['/r/upstream/x', 308],
  ['/missing', 404],
  ['/missing?a#b', 404],
  ['/r/missing', 404],
  ['/r/missing', 404, { Range: 'bytes=0-1', 'If-None-Match': '*' }],
  ['/a%252Fb', 404],
  ['/%5c..%5ca.txt', 404],
  [`/${'n'.repeat(256)}`, 404],
  [`/${'d/'.repeat(2049)}`, 414],
  ['/empty/', 403],
  ['/.hidden', 404],
  ['/%2ehidden', 404],
  ['/\xff', 400],
];

export const REQUESTS: readonly Row[] = [...FILES, ...CONDITIONS, ...RANGES, ...OTHERS];
