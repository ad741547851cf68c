/** Copies out of the uWebSockets.js request what outlives it: the object is only valid inside the handler. */
import type { HttpRequest } from 'uWebSockets.js';

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
  /** For the access log; '' when there is none. */
  readonly referer: string;
  readonly userAgent: string;
}

export interface Wanted {
  readonly host: boolean;
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
    referer: wanted.log ? req.getHeader('referer') : '',
    userAgent: wanted.log ? req.getHeader('user-agent') : '',
  };
}
