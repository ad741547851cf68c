/** Lines as bytes. Pure. */

export const NEWLINE = Buffer.from('\n');

/** Where the lines end, from `from` on, that fit in `longest` bytes; one at least. */
export function endOfBatch(lines: Buffer, from: number, longest: number): number {
  if (lines.length - from <= longest) return lines.length;
  const last = lines.lastIndexOf(NEWLINE, from + longest - 1);
  return (last >= from ? last : lines.indexOf(NEWLINE, from)) + 1;
}

/** How many there are. */
export function newlines(bytes: Buffer): number {
  let count = 0;
  for (const byte of bytes) if (byte === NEWLINE[0]) count += 1;
  return count;
}
