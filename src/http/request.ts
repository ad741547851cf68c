/** Copies out of the uWebSockets.js request what outlives it: the object is only valid inside the handler. */
import type { HttpRequest } from 'uWebSockets.js';
import type { Conditions } from './conditional.js';

export interface Request {
  /** As sent, in any case. */
  readonly method: string;
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

/** Every header costs a native call: only those are read that the decision or the log needs. */
export function readRequest(req: HttpRequest, wanted: Wanted): Request {
  const length = req.getHeader('content-length');
  return {
    method: req.getCaseSensitiveMethod(),
    url: req.getUrl(),
    query: req.getQuery() ?? '',
    host: wanted.host || wanted.log ? req.getHeader('host') : '',
    hasBody: (length !== '' && length !== '0') || req.getHeader('transfer-encoding') !== '',
    conditions: readConditions(req),
    acceptEncoding: wanted.acceptEncoding ? req.getHeader('accept-encoding') : '',
    referer: wanted.log ? req.getHeader('referer') : '',
    userAgent: wanted.log ? req.getHeader('user-agent') : '',
  };
}

function readConditions(req: HttpRequest): Conditions | null {
  const range = req.getHeader('range');
  const ifNoneMatch = req.getHeader('if-none-match');
  const ifModifiedSince = req.getHeader('if-modified-since');
  const ifMatch = req.getHeader('if-match');
  const ifUnmodifiedSince = req.getHeader('if-unmodified-since');
  if (
    range === '' &&
    ifNoneMatch === '' &&
    ifModifiedSince === '' &&
    ifMatch === '' &&
    ifUnmodifiedSince === ''
  ) {
    return null;
  }
  const ifRange = range === '' ? '' : req.getHeader('if-range');
  return { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince, range, ifRange };
}
