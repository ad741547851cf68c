/** Decision → status line and headers. Pure. */
import { STATUS_CODES } from 'node:http';
import { catalogue, type RequestErrorCode } from '../errors.js';
import type { Kept, Opened, Stat, StorageErrorCode } from '../storage/storage.js';
import type { FileBody } from './body.js';
import type { BodySource } from './body_source.js';
import type { Conditions } from './conditional.js';
import { evaluatePreconditions, rangeCounts, type Validators } from './conditional.js';
import { httpDate } from './dates.js';
import type { Encoding } from './encodings.js';
import { type Header, renderHead } from './head.js';
import type { KeptPage } from './kept_pages.js';
import { type Listing, listingHeaders } from './listing.js';
import { multipart } from './multipart.js';
import { type ByteRange, contentRange, decideRange, type RangeDecision } from './range.js';
import type { Mount } from './route.js';

export type Reply =
  /** No body; a length that HEAD announces stands in the head. */
  | { readonly kind: 'empty'; readonly status: number; readonly head: string }
  /** A short text of ours. */
  | { readonly kind: 'text'; readonly status: number; readonly head: string; readonly body: string }
  /** A file's bytes. */
  | {
      readonly kind: 'file';
      readonly status: number;
      readonly head: string;
      readonly body: FileBody;
    }
  /** Of unknown length. */
  | {
      readonly kind: 'stream';
      readonly status: number;
      readonly head: string;
      readonly source: BodySource;
    };

/** What a reply needs to know of the request. */
export interface Asked {
  readonly isHead: boolean;
  /** null: it has no precondition and no range. */
  readonly conditions: Conditions | null;
  readonly nowMs: number;
  /** Makes the next boundary of a multipart answer. */
  readonly nextBoundary: () => string;
}

/** A file, and under which name and in which form it is served. */
export interface Representation {
  readonly mount: Mount;
  /** The original's, relative to the mount's root: gives the type and the cache rule. */
  readonly name: string;
  readonly encoding: Encoding | null;
  /** Encoded by us, rather than found so. */
  readonly compressed: boolean;
}

const ALLOW: Header = ['Allow', 'GET, HEAD, OPTIONS'];
const ACCEPT_RANGES: Header = ['Accept-Ranges', 'bytes'];

/** The answer to OPTIONS. */
export function optionsReply(mount: Mount | null): Reply {
  return { kind: 'empty', status: 204, head: renderHead(204, [ALLOW], mount) };
}

/** A text of ours, in ASCII; HEAD gets its headers. */
export function textReply(
  status: number,
  headers: readonly Header[],
  body: string,
  mount: Mount | null,
  isHead: boolean,
): Reply {
  if (!isHead) return { kind: 'text', status, head: renderHead(status, headers, mount), body };
  const length: Header = ['Content-Length', String(Buffer.byteLength(body))];
  return { kind: 'empty', status, head: renderHead(status, [...headers, length], mount) };
}

/** One for each mount and error, as long as the mount is there. */
const rendered = new WeakMap<Mount, Map<RequestErrorCode, Reply>>();

/** A small text that names no path, volume or brick. */
export function errorReply(
  code: RequestErrorCode,
  mount: Mount | null,
  isHead: boolean,
  more: readonly Header[] = [],
): Reply {
  if (mount === null || isHead || more.length > 0) return renderError(code, mount, isHead, more);
  let replies = rendered.get(mount);
  if (!replies) {
    replies = new Map();
    rendered.set(mount, replies);
  }
  let reply = replies.get(code);
  if (!reply) {
    reply = renderError(code, mount, false, []);
    replies.set(code, reply);
  }
  return reply;
}

function renderError(
  code: RequestErrorCode,
  mount: Mount | null,
  isHead: boolean,
  more: readonly Header[],
): Reply {
  const { status, summary } = catalogue[code];
  const body = `${status} ${STATUS_CODES[status] ?? ''}: ${summary}\n`;
  const headers: Header[] = [['Content-Type', 'text/plain; charset=utf-8']];
  return textReply(status, [...headers, ...errorHeaders(code), ...more], body, mount, isHead);
}

/** What an error's answer says besides its body. */
function errorHeaders(code: RequestErrorCode): Header[] {
  const { status, retryAfterSeconds } = catalogue[code];
  const headers: Header[] = status === 405 ? [ALLOW] : [];
  if (retryAfterSeconds !== null) {
    headers.push(['Retry-After', String(retryAfterSeconds)], ['Cache-Control', 'no-store']);
  }
  return headers;
}

/** An error with a file of the mount as its body. Takes over what `opened` holds. */
export function errorPageReply(
  code: RequestErrorCode,
  opened: Opened,
  { mount, name }: Representation,
  isHead: boolean,
): Reply {
  const headers: Header[] = [['Content-Type', mount.types.of(name)], ...errorHeaders(code)];
  return wholeReply(catalogue[code].status, headers, opened, mount, isHead);
}

/** The same with a page from memory. */
export function keptPageReply(
  code: RequestErrorCode,
  { name, bytes }: KeptPage,
  mount: Mount,
  isHead: boolean,
): Reply {
  const headers: Header[] = [['Content-Type', mount.types.of(name)], ...errorHeaders(code)];
  return bytesReply(catalogue[code].status, headers, bytes, mount, isHead);
}

/** A body that is in memory. */
function bytesReply(
  status: number,
  headers: readonly Header[],
  bytes: Uint8Array,
  mount: Mount,
  isHead: boolean,
): Reply {
  const { length } = bytes;
  if (isHead || length === 0) {
    const announced: Header[] = [...headers, ['Content-Length', String(length)]];
    return { kind: 'empty', status, head: renderHead(status, announced, mount) };
  }
  const body = { length, pieces: [{ kind: 'bytes', bytes } as const], ...NOTHING_OPEN };
  return { kind: 'file', status, head: renderHead(status, headers, mount), body };
}

/** The listing of a folder, which it takes over. */
export function listingReply(
  listing: Exclude<Listing, { readonly kind: 'failed' }>,
  format: 'html' | 'json',
  mount: Mount,
  isHead: boolean,
): Reply {
  const headers = listingHeaders(format);
  if (listing.kind === 'whole') return bytesReply(200, headers, listing.body, mount, isHead);
  const head = renderHead(200, headers, mount);
  if (!isHead) return { kind: 'stream', status: 200, head, source: listing.source };
  listing.source.cancel();
  return { kind: 'empty', status: 200, head };
}

const NOTHING_OPEN = { chunk: null, chunkOffset: 0, file: null };

const CODES: Readonly<Record<StorageErrorCode, RequestErrorCode>> = {
  'not-found': 'GFS_NOT_FOUND',
  forbidden: 'GFS_FORBIDDEN',
  'not-regular': 'GFS_FORBIDDEN',
  connecting: 'GFS_VOLUME_CONNECTING',
  down: 'GFS_VOLUME_DOWN',
  busy: 'GFS_BUSY',
  timeout: 'GFS_TIMEOUT',
  io: 'GFS_IO',
  changed: 'GFS_CHANGED',
  cancelled: 'GFS_INTERNAL',
};

/** Which failure of a request a failure of the storage is. */
export const requestError = (code: StorageErrorCode): RequestErrorCode => CODES[code];

/** Characters. Clients take no more anyway, and a head has to stay well below the 16 KiB that ONE_CALL tells of. */
const LONGEST_LOCATION = 8192;

/** `location` is printable ASCII. */
export function redirectReply(
  status: number,
  location: string,
  mount: Mount | null,
  isHead: boolean,
): Reply {
  if (location.length > LONGEST_LOCATION) return errorReply('GFS_URI_TOO_LONG', mount, isHead);
  return textReply(status, [['Location', location]], '', mount, isHead);
}

/** RFC 9110 §8.8.3: strong. The same on every server of the volume, and never that of a file renamed over another. */
export function etag(stat: Stat): string {
  return `"${stat.gfid}-${stat.size.toString(36)}-${stat.mtimeSeconds.toString(36)}.${stat.mtimeNanoseconds.toString(36)}"`;
}

/** What we compressed has an entity tag of its own, since its bytes are others (RFC 9110 §8.8.3.3). */
export function validatorsOf(stat: Stat, { compressed, encoding }: Representation): Validators {
  const tag = etag(stat);
  return {
    etag: compressed ? `${tag.slice(0, -1)}-${encoding}"` : tag,
    lastModified: stat.mtimeSeconds,
  };
}

/** What the preconditions make of a file before its body is read: the answer, or null where it is to be sent. */
export function preconditionReply(
  stat: Stat,
  representation: Representation,
  { conditions, nowMs, isHead }: Asked,
): Reply | null {
  if (!conditions) return null;
  const validators = validatorsOf(stat, representation);
  const { mount } = representation;
  switch (evaluatePreconditions(conditions, validators, nowMs)) {
    case 'proceed':
      return null;
    case 'not-modified': {
      const head = renderHead(304, cacheHeaders(validators, representation), mount);
      return { kind: 'empty', status: 304, head };
    }
    case 'failed':
      return errorReply('GFS_PRECONDITION_FAILED', mount, isHead);
  }
}

/** What 200, 206 and 304 have in common. */
function cacheHeaders(validators: Validators, { mount, name }: Representation): Header[] {
  const headers: Header[] = [
    ['Last-Modified', httpDate(validators.lastModified)],
    ['ETag', validators.etag],
  ];
  const cacheControl = mount.rules.cacheControl(name);
  if (cacheControl !== null) headers.push(['Cache-Control', cacheControl]);
  return headers;
}

/** What Range makes of a file, where it counts. */
export function rangeOf(
  stat: Stat,
  representation: Representation,
  { isHead, conditions, nowMs }: Asked,
): RangeDecision {
  if (isHead || !conditions || conditions.range === '') return { kind: 'whole' };
  const validators = validatorsOf(stat, representation);
  return rangeCounts(conditions.ifRange, validators, nowMs)
    ? decideRange(conditions.range, stat.size)
    : { kind: 'whole' };
}

/** The answer with what we compressed: never a part of it. */
export function variantReply(variant: Kept, representation: Representation, asked: Asked): Reply {
  const { stat } = variant;
  const early = preconditionReply(stat, representation, asked);
  if (early) return early;
  const { mount, name, encoding } = representation;
  const headers = cacheHeaders(validatorsOf(stat, representation), representation);
  if (encoding) headers.push(['Content-Encoding', encoding]);
  headers.push(['Content-Type', mount.types.of(name)]);
  const { length } = variant.bytes;
  if (asked.isHead) headers.push(['Content-Length', String(length)]);
  const head = renderHead(200, headers, mount);
  if (asked.isHead) return { kind: 'empty', status: 200, head };
  const pieces = [{ kind: 'file', offset: 0, length } as const];
  const body = { length, pieces, chunk: variant.lend(), chunkOffset: 0, file: null };
  return { kind: 'file', status: 200, head, body };
}

/** A file's answer. Takes over what `opened` holds; a reply without a body gives it back. */
export function contentReply(opened: Opened, representation: Representation, asked: Asked): Reply {
  const early = preconditionReply(opened.stat, representation, asked);
  if (early) {
    release(opened);
    return early;
  }
  const { mount, name, encoding } = representation;
  const { stat } = opened;
  const type = mount.types.of(name);
  const headers = cacheHeaders(validatorsOf(stat, representation), representation);
  if (encoding) headers.push(['Content-Encoding', encoding]);
  const { isHead } = asked;
  const decision = rangeOf(stat, representation, asked);
  switch (decision.kind) {
    case 'whole':
      headers.push(['Content-Type', type], ACCEPT_RANGES);
      return wholeReply(200, headers, opened, mount, isHead);
    case 'unsatisfiable':
      release(opened);
      return errorReply('GFS_RANGE_NOT_SATISFIABLE', mount, isHead, [
        ['Content-Range', `bytes */${stat.size}`],
      ]);
    case 'one':
      headers.push(['Content-Type', type], ACCEPT_RANGES);
      return oneRangeReply(decision.range, headers, opened, mount);
    case 'many':
      headers.push(ACCEPT_RANGES);
      return manyRangesReply(decision.ranges, type, headers, opened, mount, asked);
    default: {
      const impossible: never = decision;
      throw new Error(`unknown range ${String(impossible)}`);
    }
  }
}

function wholeReply(
  status: number,
  headers: Header[],
  opened: Opened,
  mount: Mount,
  isHead: boolean,
): Reply {
  const length = opened.stat.size;
  if (isHead) {
    release(opened);
    headers.push(['Content-Length', String(length)]);
    return { kind: 'empty', status, head: renderHead(status, headers, mount) };
  }
  const head = renderHead(status, headers, mount);
  if (length === 0) return { kind: 'text', status, head, body: '' };
  return {
    kind: 'file',
    status,
    head,
    body: body(opened, length, [{ kind: 'file', offset: 0, length }]),
  };
}

function oneRangeReply(range: ByteRange, headers: Header[], opened: Opened, mount: Mount): Reply {
  headers.push(['Content-Range', contentRange(range, opened.stat.size)]);
  const length = range.end - range.start + 1;
  const pieces = [{ kind: 'file', offset: range.start, length }] as const;
  return {
    kind: 'file',
    status: 206,
    head: renderHead(206, headers, mount),
    body: body(opened, length, pieces),
  };
}

function manyRangesReply(
  ranges: readonly ByteRange[],
  type: string,
  headers: Header[],
  opened: Opened,
  mount: Mount,
  asked: Asked,
): Reply {
  const { contentType, length, pieces } = multipart(
    ranges,
    opened.stat.size,
    type,
    asked.nextBoundary(),
  );
  headers.push(['Content-Type', contentType]);
  return {
    kind: 'file',
    status: 206,
    head: renderHead(206, headers, mount),
    body: body(opened, length, pieces),
  };
}

const body = (opened: Opened, length: number, pieces: FileBody['pieces']): FileBody => ({
  length,
  pieces,
  chunk: opened.chunk,
  chunkOffset: opened.chunkOffset,
  file: opened.file,
});

/** Gives back what a storage call handed over. */
export function release({ chunk, file, folder }: Opened): void {
  chunk?.release();
  file?.release();
  folder?.release();
}
