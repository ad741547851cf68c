/** Edits of one character, and swaps of two neighbours, that make `b` of `a`. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** Names longer than any of ours are not worth the arithmetic. */
const LONGEST = 64;

/** The known name that `name` was most likely meant to be; null where none is near. Case counts for nothing. */
export function nearest(name: string, known: Iterable<string>): string | null {
  const wanted = name.slice(0, LONGEST).toLowerCase();
  let best: { readonly name: string; readonly distance: number } | null = null;
  for (const candidate of known) {
    const steps = distance(wanted, candidate.toLowerCase());
    if (steps > Math.max(1, Math.floor(candidate.length / 3))) continue;
    if (!best || steps < best.distance) best = { name: candidate, distance: steps };
  }
  return best?.name ?? null;
}

/** The end of a message: `; did you mean "threads"?`, or nothing. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const found = nearest(name, known);
  return found === null ? '' : `; did you mean "${found}"?`;
}
