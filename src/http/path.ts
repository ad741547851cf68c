/**
 * The request path, decoded and normalised, once. Pure.
 *
 * A decoded path is bytes: a string with one char (0 to 255) a byte. It begins with a slash and has no dot segments, no
 * empty segments and no NUL; a trailing slash is kept.
 */

/** Bytes, after decoding; longer ones answer 414. */
export const MAX_PATH = 4096;

export type PathResult =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly code: 'GFS_BAD_PATH' | 'GFS_URI_TOO_LONG' };

const BAD: PathResult = { ok: false, code: 'GFS_BAD_PATH' };
const TOO_LONG: PathResult = { ok: false, code: 'GFS_URI_TOO_LONG' };

/** Printable ASCII without `#` and `%`: such a path needs no decoding. */
const PLAIN = /^[!"$&-~]*$/;
/** What normalisation would have to touch: an empty segment, or one that begins with a dot. */
const NEEDS_NORMALISING = /\/[./]/;

/**
 * `url` is the raw request target's path as uWebSockets.js gives it: UTF-8 decoded, not percent-decoded. Bytes that were
 * not valid UTF-8 there have been lost (to U+FFFD) and are refused: RFC 3986 wants them percent-encoded anyway.
 */
export function parsePath(url: string): PathResult {
  if (url.length > MAX_PATH * 3) return TOO_LONG;
  if (!url.startsWith('/')) return BAD;
  let path = url;
  if (!PLAIN.test(url)) {
    const decoded = decode(url);
    if (decoded === null) return BAD;
    path = decoded;
  }
  return finish(path);
}

/** A decoded path that a rule has made, brought into the form that `parsePath` gives. It may climb above the root. */
export function normalisePath(path: string): PathResult {
  return path.startsWith('/') && !path.includes('\0') ? finish(path) : BAD;
}

function finish(path: string): PathResult {
  if (path.length > MAX_PATH) return TOO_LONG;
  if (!NEEDS_NORMALISING.test(path)) return { ok: true, path };
  const normalised = normalise(path);
  return normalised === null ? BAD : { ok: true, path: normalised };
}

/** Percent-decodes to bytes, up to a fragment. null: a bad escape, a NUL, or a byte that got lost. */
function decode(url: string): string | null {
  const hash = url.indexOf('#');
  const raw = hash === -1 ? url : url.slice(0, hash);
  if (raw.includes('\ufffd')) return null;
  const bytes = Buffer.from(raw, 'utf8');
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    let byte = bytes[i] ?? 0;
    if (byte === 0x25) {
      const high = hexDigit(bytes[i + 1]);
      const low = hexDigit(bytes[i + 2]);
      if (high < 0 || low < 0) return null;
      byte = high * 16 + low;
      i += 2;
    }
    if (byte === 0) return null;
    bytes[length++] = byte;
  }
  return bytes.toString('latin1', 0, length);
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

/** RFC 3986 §5.2.4, and repeated slashes merged. null: it climbs above the root. */
function normalise(path: string): string | null {
  const kept: string[] = [];
  const segments = path.split('/');
  for (const segment of segments) {
    if (segment === '' || segment === '.') continue;
    if (segment !== '..') kept.push(segment);
    else if (kept.pop() === undefined) return null;
  }
  const last = segments.at(-1);
  const folder = last === '' || last === '.' || last === '..';
  return kept.length === 0 ? '/' : `/${kept.join('/')}${folder ? '/' : ''}`;
}

/** Has it a segment that begins with a dot? `.well-known` (RFC 8615) does not count. */
export function hasHiddenSegment(path: string): boolean {
  let at = path.indexOf('/.');
  while (at !== -1) {
    const end = path.indexOf('/', at + 1);
    if (path.slice(at + 1, end === -1 ? undefined : end) !== '.well-known') return true;
    at = path.indexOf('/.', at + 1);
  }
  return false;
}

/** For example `%0A`. */
export const percent = (byte: number): string =>
  `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;

/** The inverse of `parsePath`, for a Location: what RFC 3986 §3.3 does not allow in a path becomes a percent-escape. */
export function encodePath(path: string): string {
  return path.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/]/g, (char) => percent(char.charCodeAt(0)));
}

/** A query as it may stand in a header: whatever is not printable ASCII is percent-encoded. */
export function encodeQuery(query: string): string {
  return query.replace(/[^!-~]+/g, (text) =>
    Array.from(Buffer.from(text, 'utf8'), percent).join(''),
  );
}
