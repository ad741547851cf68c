/**
 * Files that say of each 64 bytes whose they are: a wrong answer shows by itself whether it is another version, a
 * mixture of two, or something that never was.
 */

const LINE = 64;

function line(name: string, version: number, index: number): string {
  return `${name} v${version} l${index} `.padEnd(LINE - 1, '.').concat('\n');
}

/** A version's bytes. `name` must be short, and differ from file to file over all volumes. */
export function contentOf(name: string, version: number, size: number): Buffer {
  const lines: string[] = [];
  for (let index = 0; index * LINE < size; index++) lines.push(line(name, version, index));
  return Buffer.from(lines.join(''), 'latin1').subarray(0, size);
}

/**
 * The versions that bytes from `offset` of a file's content were made of; null when a line is none of its lines.
 * @param offset a multiple of 64
 */
export function versionsIn(name: string, bytes: Buffer, offset = 0): Set<number> | null {
  const versions = new Set<number>();
  for (let at = 0; at < bytes.length; at += LINE) {
    const text = bytes.toString('latin1', at, at + LINE);
    const version = Number(/ v(\d+) l/.exec(text)?.[1] ?? Number.NaN);
    const whole = Number.isNaN(version) ? null : line(name, version, (offset + at) / LINE);
    if (whole?.startsWith(text)) {
      versions.add(version);
      continue;
    }
    // The last line may be cut before its version.
    const cut =
      at + LINE > bytes.length &&
      line(name, 0, (offset + at) / LINE).startsWith(text.slice(0, name.length + 2));
    if (!cut) return null;
  }
  return versions;
}

/** What is wrong with bytes of which `versionsIn` knows no version, for people: which lines, and what stands there. */
export function strangeLines(name: string, bytes: Buffer, offset = 0): string {
  const strange: number[] = [];
  const versions = new Set<number>();
  for (let at = 0; at < bytes.length; at += LINE) {
    const found = versionsIn(name, bytes.subarray(at, at + LINE), offset + at);
    if (found === null) strange.push(at);
    else for (const version of found) versions.add(version);
  }
  const first = strange[0] ?? 0;
  const last = strange.at(-1) ?? 0;
  const text = JSON.stringify(bytes.toString('latin1', first, first + LINE));
  return `${strange.length} of ${Math.ceil(bytes.length / LINE)} lines, from byte ${offset + first} to ${offset + last + LINE}, first ${text}; the others are of version ${[...versions].join(' and ')}`;
}

export const alignedTo = (offset: number): number => Math.floor(offset / LINE) * LINE;
