/** Accept-Encoding → which precompressed siblings may answer, best first. Pure, with a bounded memory. */
import Negotiator from 'negotiator';
import type { MountConfig } from '../config/types.js';

export type Encoding = MountConfig['precompressed'][number];

/** A sibling's file name is the original's and this. */
export const EXTENSIONS: Readonly<Record<Encoding, string>> = {
  br: '.br',
  zstd: '.zst',
  gzip: '.gz',
};

const NONE: readonly Encoding[] = [];
/** At most this many headers are remembered: clients choose them, though few differ. */
const REMEMBERED = 200;

/**
 * For one mount, with what it offers in its order of preference. The client's q-values decide, ties go in that order.
 * What the client ranks below identity (RFC 9110 §12.5.3) is not offered: identity is always there.
 */
export function createNegotiation(
  offered: readonly Encoding[],
): (acceptEncoding: string) => readonly Encoding[] {
  const remembered = new Map<string, readonly Encoding[]>();
  const provided = [...offered, 'identity'];
  return (acceptEncoding) => {
    if (acceptEncoding === '' || offered.length === 0) return NONE;
    let encodings = remembered.get(acceptEncoding);
    if (encodings === undefined) {
      encodings = negotiate(acceptEncoding, offered, provided);
      if (remembered.size >= REMEMBERED) remembered.clear();
      remembered.set(acceptEncoding, encodings);
    }
    return encodings;
  };
}

/** What the package's types leave out: its second argument, which settles ties. */
interface Negotiation {
  encodings(available: string[], options: { preferred: readonly string[] }): string[];
}

function negotiate(
  acceptEncoding: string,
  offered: readonly Encoding[],
  provided: readonly string[],
): readonly Encoding[] {
  // x-gzip is gzip (RFC 9110 §8.4.1.3).
  const header = acceptEncoding.replace(/\bx-gzip\b/gi, 'gzip');
  const negotiation: Negotiation = new Negotiator({ headers: { 'accept-encoding': header } });
  const ranked = negotiation.encodings([...provided], { preferred: provided });
  const identity = ranked.indexOf('identity');
  const better = identity === -1 ? ranked : ranked.slice(0, identity);
  return better.filter((name): name is Encoding => offered.some((encoding) => encoding === name));
}
