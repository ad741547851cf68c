/** Text in a picture: escaped, and never longer than its place. */

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

/** For text and for attributes in double quotes. Control characters, which XML knows none of, are dropped. */
export function escapeXml(text: string): string {
  return text
    .replace(/\p{Cc}/gu, '')
    .replace(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
}

/**
 * No common sans-serif font is wider on average, in parts of its size. Whose font it will be is not known, so there is
 * some room in it.
 */
const WIDTH = 0.58;

/** How wide a text gets at most, in pixels. */
export const widthOf = (text: string, size: number): number => [...text].length * size * WIDTH;

/** As much of a text as fits into `width` pixels, with an ellipsis where it doesn't all. */
export function fitted(text: string, size: number, width: number): string {
  if (widthOf(text, size) <= width) return text;
  const most = Math.max(0, Math.floor(width / (size * WIDTH)) - 1);
  return `${[...text].slice(0, most).join('').trimEnd()}…`;
}

/** A text in lines of at most `width` pixels; what doesn't fit into the last one is cut. */
export function wrapped(text: string, size: number, width: number, lines: number): string[] {
  const words = text.split(' ');
  const done: string[] = [];
  let line = '';
  for (const word of words) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (widthOf(longer, size) <= width || line === '' || done.length === lines - 1) {
      line = longer;
    } else {
      done.push(line);
      line = word;
    }
  }
  return [...done, line].map((each) => fitted(each, size, width));
}

/** Three digits at most: `98.4k`, `1.2M`, `640`. */
export function shortCount(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 999_500) return `${threeDigits(value / 1e6)}M`;
  if (value >= 999.5) return `${threeDigits(value / 1e3)}k`;
  return threeDigits(value);
}

/** @param seconds `12 µs`, `1.2 ms`, `1.25 s` */
export function shortTime(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds >= 0.9995) return `${threeDigits(seconds)} s`;
  if (seconds >= 0.0009995) return `${threeDigits(seconds * 1e3)} ms`;
  return `${threeDigits(seconds * 1e6)} µs`;
}

/** `12.3`, `1.23`, `123`; no more digits than are worth something. */
function threeDigits(value: number): string {
  const digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return value.toFixed(digits);
}
