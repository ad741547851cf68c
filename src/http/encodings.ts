/** Accept-Encoding → in which encodings a file may be answered, and where from, best first. Pure, with a bounded memory. */
import Negotiator from 'negotiator';
import type { MountConfig } from '../config/types.js';

export type Encoding = MountConfig['precompressed'][number];
export type Compression = MountConfig['compress'][number];

/** A sibling's file name is the original's and this. */
export const EXTENSIONS: Readonly<Record<Encoding, string>> = {
  br: '.br',
  zstd: '.zst',
  gzip: '.gz',
};

/** A precompressed file beside the original, or the original compressed by us. */
export type Offer =
  | { readonly kind: 'sibling'; readonly encoding: Encoding }
  | { readonly kind: 'compressed'; readonly encoding: Compression };

const NONE: readonly Offer[] = [];
/** At most this many headers are remembered: clients choose them, though few differ. */
const REMEMBERED = 200;

/**
 * For one mount, with what it offers, each in its order of preference. The client's q-values decide; among equals siblings
 * come first, as they are there already, then it goes in that order. What the client ranks below identity
 * (RFC 9110 §12.5.3) is not offered: identity is always there.
 */
export function createNegotiation(
  siblings: readonly Encoding[],
  compressed: readonly Compression[] = [],
): (acceptEncoding: string) => readonly Offer[] {
  const remembered = new Map<string, readonly Offer[]>();
  const offers: readonly Offer[] = [
    ...siblings.map((encoding) => ({ kind: 'sibling', encoding }) as const),
    ...compressed.map((encoding) => ({ kind: 'compressed', encoding }) as const),
  ];
  return (acceptEncoding) => {
    if (acceptEncoding === '' || offers.length === 0) return NONE;
    let accepted = remembered.get(acceptEncoding);
    if (accepted === undefined) {
      accepted = negotiate(acceptEncoding, offers);
      if (remembered.size >= REMEMBERED) remembered.clear();
      remembered.set(acceptEncoding, accepted);
    }
    return accepted;
  };
}

function negotiate(acceptEncoding: string, offers: readonly Offer[]): readonly Offer[] {
  const names = [...new Set(offers.map(({ encoding }) => encoding)), 'identity'];
  const ranks = ranksOf(acceptEncoding, names);
  const identity = ranks.get('identity') ?? Number.POSITIVE_INFINITY;
  return offers
    .map((offer) => ({ offer, rank: ranks.get(offer.encoding) ?? Number.NaN }))
    .filter(({ rank }) => rank <= identity)
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ offer }) => offer);
}

/** What the package's types leave out: its second argument, which settles ties. */
interface Negotiation {
  encodings(available: string[], options: { preferred: readonly string[] }): string[];
}

/** Of what the client accepts; 0 is the best, and what it likes equally has the same. */
function ranksOf(acceptEncoding: string, names: readonly string[]): ReadonlyMap<string, number> {
  // x-gzip is gzip (RFC 9110 §8.4.1.3).
  const header = acceptEncoding.replace(/\bx-gzip\b/gi, 'gzip');
  const negotiation: Negotiation = new Negotiator({ headers: { 'accept-encoding': header } });
  // It gives an order and no q-values: what changes places with the preference is liked equally.
  const ranked = negotiation.encodings([...names], { preferred: names });
  const otherwise = negotiation.encodings([...names], { preferred: names.toReversed() });
  const isBetter = (a: string, b: string): boolean =>
    ranked.indexOf(a) < ranked.indexOf(b) && otherwise.indexOf(a) < otherwise.indexOf(b);
  return new Map(
    ranked.map((name) => [name, ranked.filter((other) => isBetter(other, name)).length]),
  );
}
