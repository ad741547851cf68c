/** Copies out of the uWebSockets.js request what outlives it: the object is only valid inside the handler. */
import type { HttpRequest } from 'uWebSockets.js';
import type { Conditions } from './conditional.js';
import { Has } from './fields.js';

export interface Request {
  /** As sent, in any case. */
  readonly method: string;
  /** As sent, query and all. */
  readonly target: string;
  /** Not decoded. */
  readonly url: string;
  /** Not decoded, without the question mark; '' when there is none. */
  readonly query: string;
  /** '' when no mount cares for it and no log line shows it. */
  readonly host: string;
  /** RFC 9110 §9.3.1: a body on GET has no meaning. It is not read, and the connection ends after the answer. */
  readonly hasBody: boolean;
  /** null: it has neither a precondition nor a range. */
  readonly conditions: Conditions | null;
  /** '' when no mount cares for it. */
  readonly acceptEncoding: string;
  /** For the access log; '' when there is none. */
  readonly referer: string;
  readonly userAgent: string;
}

export interface Wanted {
  readonly host: boolean;
  readonly acceptEncoding: boolean;
  readonly log: boolean;
}

/** Every header costs a native call: only those are read that are there, and that the decision or the log needs. `fields`: see `Has`. */
export function readRequest(req: HttpRequest, wanted: Wanted, fields: number): Request {
  const length = fields & Has.contentLength ? req.getHeader('content-length') : '';
  const url = req.getUrl();
  const query = queryOf(req);
  return {
    method: req.getCaseSensitiveMethod(),
    target: joined(url, query),
    url,
    query: query ?? '',
    host: wanted.host || wanted.log ? req.getHeader('host') : '',
    hasBody: (length !== '' && length !== '0') || (fields & Has.transferEncoding) !== 0,
    conditions: readConditions(req, fields),
    acceptEncoding:
      wanted.acceptEncoding && fields & Has.acceptEncoding ? req.getHeader('accept-encoding') : '',
    referer: wanted.log ? req.getHeader('referer') : '',
    userAgent: wanted.log ? req.getHeader('user-agent') : '',
  };
}

/** A request's target as it was sent. */
export const targetOf = (req: HttpRequest): string => joined(req.getUrl(), queryOf(req));

/** Without a question mark there is none, whatever uWebSockets.js' types say. */
const queryOf = (req: HttpRequest): string | undefined => req.getQuery() as string | undefined;

const joined = (url: string, query: string | undefined): string =>
  query === undefined ? url : `${url}?${query}`;

const CONDITIONAL =
  Has.range | Has.ifNoneMatch | Has.ifModifiedSince | Has.ifMatch | Has.ifUnmodifiedSince;

function readConditions(req: HttpRequest, fields: number): Conditions | null {
  if ((fields & CONDITIONAL) === 0) return null;
  const value = (bit: number, name: string) => (fields & bit ? req.getHeader(name) : '');
  return {
    ifMatch: value(Has.ifMatch, 'if-match'),
    ifNoneMatch: value(Has.ifNoneMatch, 'if-none-match'),
    ifModifiedSince: value(Has.ifModifiedSince, 'if-modified-since'),
    ifUnmodifiedSince: value(Has.ifUnmodifiedSince, 'if-unmodified-since'),
    range: value(Has.range, 'range'),
    ifRange: value(Has.range, 'if-range'),
  };
}
