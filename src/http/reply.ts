/**
 * Decision → status line and headers. Pure.
 *
 * A head is what uWebSockets.js writes as the status: the status line's rest and every header but the last line end, so
 * that one native call writes it all. Values come from validated configuration and from us, never raw from a request:
 * nothing below checks for CR LF again.
 */
import { STATUS_CODES } from 'node:http';
import { catalogue, type RequestErrorCode } from '../errors.js';
import type {
  Chunk,
  Opened,
  OpenFile,
  OpenResult,
  Stat,
  StorageErrorCode,
} from '../storage/storage.js';
import { encodePath, encodeQuery } from './path.js';
import type { Mount } from './route.js';

export type Reply =
  /** No body; a length that HEAD announces stands in the head. */
  | { readonly kind: 'empty'; readonly status: number; readonly head: string }
  /** A short text of ours. */
  | { readonly kind: 'text'; readonly status: number; readonly head: string; readonly body: string }
  /** A file's bytes: `chunk` is its beginning, `file` has the rest, if there is one. */
  | {
      readonly kind: 'file';
      readonly status: number;
      readonly head: string;
      readonly size: number;
      readonly chunk: Chunk;
      readonly file: OpenFile | null;
    };

const ALLOW = '\r\nAllow: GET, HEAD, OPTIONS';

const statusLine = (status: number): string => `${status} ${STATUS_CODES[status] ?? 'Unknown'}`;

/** The answer to OPTIONS. */
export function optionsReply(): Reply {
  return { kind: 'empty', status: 204, head: `${statusLine(204)}${ALLOW}` };
}

/** A small text that names no path, volume or brick. HEAD gets its headers. */
export function errorReply(code: RequestErrorCode, isHead: boolean): Reply {
  const { status, summary, retryAfterSeconds } = catalogue[code];
  const body = `${status} ${STATUS_CODES[status] ?? ''}: ${summary}\n`;
  let head = `${statusLine(status)}\r\nContent-Type: text/plain; charset=utf-8`;
  if (status === 405) head += ALLOW;
  if (retryAfterSeconds !== null)
    head += `\r\nRetry-After: ${retryAfterSeconds}\r\nCache-Control: no-store`;
  return isHead
    ? { kind: 'empty', status, head: `${head}\r\nContent-Length: ${Buffer.byteLength(body)}` }
    : { kind: 'text', status, head, body };
}

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

/** What the storage found → the reply. Takes over the result's chunk and file; a reply without them releases them. */
export function fileReply(
  result: OpenResult,
  mount: Mount,
  path: string,
  candidates: readonly string[],
  query: string,
  isHead: boolean,
): Reply {
  if (!result.ok) return errorReply(CODES[result.code], isHead);
  if (result.stat.type === 'directory') {
    // Asked for with its slash, it has no index; without it, the client's relative links would be wrong.
    return path.endsWith('/')
      ? errorReply('GFS_FORBIDDEN', isHead)
      : slashRedirect(path, query, isHead);
  }
  return contentReply(result, mount, candidates[result.candidate] ?? path, isHead);
}

function contentReply(opened: Opened, mount: Mount, name: string, isHead: boolean): Reply {
  const { stat, chunk, file } = opened;
  const head = `200 OK\r\nContent-Type: ${mount.types.of(name)}\r\nLast-Modified: ${httpDate(stat.mtimeSeconds)}\r\nETag: ${etag(stat)}`;
  if (isHead)
    return { kind: 'empty', status: 200, head: `${head}\r\nContent-Length: ${stat.size}` };
  if (!chunk) return { kind: 'text', status: 200, head, body: '' };
  return { kind: 'file', status: 200, head, size: stat.size, chunk, file };
}

/** The path starts with exactly one slash, so Location stays on this host whatever the path says. */
function slashRedirect(path: string, query: string, isHead: boolean): Reply {
  const location = `${encodePath(path)}/${query === '' ? '' : `?${encodeQuery(query)}`}`;
  const head = `${statusLine(301)}\r\nLocation: ${location}`;
  return isHead
    ? { kind: 'empty', status: 301, head: `${head}\r\nContent-Length: 0` }
    : { kind: 'text', status: 301, head, body: '' };
}

/** RFC 9110 §8.8.3: strong. The same on every server of the volume, and never that of a file renamed over another. */
export function etag(stat: Stat): string {
  return `"${stat.gfid}-${stat.size.toString(36)}-${stat.mtimeSeconds.toString(36)}.${stat.mtimeNanoseconds.toString(36)}"`;
}

let lastSeconds = Number.NaN;
let lastDate = '';

/** RFC 9110 §5.6.7: IMF-fixdate. Sites are deployed at once: one remembered date saves most of the work. */
export function httpDate(seconds: number): string {
  if (seconds !== lastSeconds) {
    lastSeconds = seconds;
    lastDate = new Date(seconds * 1000).toUTCString();
  }
  return lastDate;
}
