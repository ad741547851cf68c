/**
 * Files whose last change is so young that a brick may still be storing parts of it. A client sends the pieces of a large write
 * together, and a brick stores them in any order; as soon as the latest is stored, size and times are those of the whole
 * (posix_set_mdata_xattr, GlusterFS 10.3: "only the highest time is retained"). Until then the same stat does not mean the
 * same bytes: what was read is given, but looked at again as soon as the file has settled.
 */
import type { Stat } from '../storage.js';
import type { Flight } from './flights.js';
import { isIdentical } from './large.js';

/** Milliseconds after its last change from which on a file is taken to be what its stat says. */
const SETTLING_MS = 10_000;

/**
 * Until when what this look has read is in doubt; 0: it is not. In milliseconds of performance.now(). A ctime in the future is that
 * of a client whose clock is fast; for one whose clock is slow, what has been seen to change is young whatever its ctime says.
 */
export function doubtedUntil({ before, sinceMs }: Flight, stat: Stat): number {
  const found = before?.alive === true ? before.found : null;
  const known = found === null || found.kind === 'absent' ? null : found.stat;
  if (known !== null && known.gfid === stat.gfid) {
    // The same again is only asked for where it was in doubt, and only comes here where it proved wrong.
    if (
      !isIdentical(known, stat) ||
      (found?.kind === 'file' && found.content?.isDoubted === true)
    ) {
      return Math.ceil(sinceMs + SETTLING_MS);
    }
  }
  const beganMs = Date.now() - (performance.now() - sinceMs);
  const ageMs = beganMs - (stat.ctimeSeconds * 1_000 + stat.ctimeNanoseconds / 1_000_000);
  return ageMs >= SETTLING_MS ? 0 : Math.ceil(sinceMs + SETTLING_MS - Math.max(0, ageMs));
}

/** Whether two readings of a file are the same, byte for byte. */
export const isSame = (
  a: { readonly bytes: Uint8Array },
  b: { readonly bytes: Uint8Array },
): boolean => Buffer.compare(a.bytes, b.bytes) === 0;
