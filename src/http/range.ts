/** Byte ranges, RFC 9110 §14. Pure. */
import parseRanges from 'range-parser';

/** Both ends count, as in Content-Range. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export type RangeDecision =
  | { readonly kind: 'whole' }
  | { readonly kind: 'unsatisfiable' }
  | { readonly kind: 'one'; readonly range: ByteRange }
  /** At least two, in the order asked; no byte is in more than one. */
  | { readonly kind: 'many'; readonly ranges: readonly ByteRange[] };

/** More than this many are answered with the whole file. */
export const MAX_RANGES = 50;

const WHOLE: RangeDecision = { kind: 'whole' };
const UNSATISFIABLE: RangeDecision = { kind: 'unsatisfiable' };

/** One range-spec of the unit bytes: `first-`, `first-last` or `-suffix`. */
const SPEC = /^(?:(\d+)-(\d*)|-(\d+))$/;

/** What a Range header asks of a file of `size` bytes. */
export function decideRange(header: string, size: number): RangeDecision {
  // Another unit, or none: as if there were no Range (§14.2).
  if (!/^bytes=/i.test(header)) return WHOLE;
  // Empty list elements are to be ignored (§5.6.1.2).
  const specs = header
    .slice('bytes='.length)
    .split(',')
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '');
  if (specs.length === 0) return UNSATISFIABLE;
  let bytes = 0;
  const wanted: string[] = [];
  for (const spec of specs) {
    const [, first, last, suffix] = SPEC.exec(spec) ?? [];
    if (first === undefined && suffix === undefined) return UNSATISFIABLE; // malformed: as nginx
    if (suffix === undefined) {
      wanted.push(spec);
      const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
      bytes += Math.max(0, end - Number(first) + 1);
    } else {
      // A suffix longer than the file is the whole of it (§14.1.2); the parser would leave it out.
      const length = Math.min(Number(suffix), size);
      wanted.push(`-${length}`);
      bytes += length;
    }
  }
  const satisfiable = parseRanges(size, `bytes=${wanted.join(',')}`, { combine: true });
  if (typeof satisfiable === 'number') return UNSATISFIABLE;
  if (specs.length > MAX_RANGES || (specs.length > 1 && bytes > size)) return WHOLE;
  const [only] = satisfiable;
  return satisfiable.length === 1 && only
    ? { kind: 'one', range: only }
    : { kind: 'many', ranges: [...satisfiable] };
}

/** Where to begin to read before the size is known: the first byte of a header's first range, when it says so. */
export function firstByte(header: string): number {
  const [, digits] = /^bytes=[ \t]*(\d{1,15})-/i.exec(header) ?? [];
  return digits === undefined ? 0 : Number(digits);
}

/** The value of Content-Range. */
export const contentRange = ({ start, end }: ByteRange, size: number): string =>
  `bytes ${start}-${end}/${size}`;
