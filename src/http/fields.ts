/** Which fields of a request decide how it is answered: each call into uWebSockets.js for one costs as much as a look at them all. */
import type { HttpRequest } from 'uWebSockets.js';

/** Bits; the same numbers as in addon/request_fields.h. A field that is there and empty does not count. */
export const Has = {
  ifNoneMatch: 1,
  ifModifiedSince: 2,
  range: 4,
  acceptEncoding: 8,
  forwardedFor: 16,
  ifMatch: 32,
  ifUnmodifiedSince: 64,
  contentLength: 128,
  transferEncoding: 256,
} as const;

const NAMES: readonly (readonly [string, number])[] = [
  ['if-none-match', Has.ifNoneMatch],
  ['if-modified-since', Has.ifModifiedSince],
  ['range', Has.range],
  ['accept-encoding', Has.acceptEncoding],
  ['x-forwarded-for', Has.forwardedFor],
  ['if-match', Has.ifMatch],
  ['if-unmodified-since', Has.ifUnmodifiedSince],
  ['content-length', Has.contentLength],
  ['transfer-encoding', Has.transferEncoding],
];

/** By asking for each. */
export function askFields(req: HttpRequest): number {
  let bits = 0;
  for (const [name, bit] of NAMES) if (req.getHeader(name) !== '') bits |= bit;
  return bits;
}
