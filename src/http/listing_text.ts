/** How names, sizes and dates appear in a listing. Pure. */
import { encodePath } from './path.js';

const HTML_ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For text and for quoted attributes. */
export const escapeHtml = (text: string): string =>
  /[&<>"']/.test(text) ? text.replace(/[&<>"']/g, (char) => HTML_ESCAPES[char] ?? '') : text;

/** Bytes as the text they stand for in UTF-8. What is not UTF-8 becomes U+FFFD. */
export const decodeName = (name: string): string =>
  /[\x80-\xff]/.test(name) ? Buffer.from(name, 'latin1').toString('utf8') : name;

/** U+2400 and those after it are pictures of the control characters. */
function controlPicture(char: string): string {
  const code = char.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? '\u2421' : '\ufffd';
}

/**
 * As decodeName, with a visible sign for each control character: a line break in a name breaks no line, and none of
 * Unicode's embeddings, overrides and isolates makes `gnp.exe` look like `exe.png`.
 */
export const visibleName = (name: string): string =>
  decodeName(name).replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, controlPicture);

/** Is it what its bytes say, so that `decodeName` loses nothing? */
export const isUtf8 = (name: string): boolean =>
  !/[\x80-\xff]/.test(name) ||
  Buffer.from(Buffer.from(name, 'latin1').toString('utf8'), 'utf8').toString('latin1') === name;

/** A reference to an entry of the page's own folder. The `./` keeps `javascript:x` from being a scheme. */
export const hrefOf = (name: string, isFolder: boolean): string =>
  `./${encodePath(name)}${isFolder ? '/' : ''}`;

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];

/** In powers of 1000, with two digits that count at least: `999 B`, `1.5 kB`, `12 MB`. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // What would be rounded to 1000 belongs to the next unit.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? value.toFixed(1) : value.toFixed(0);
  return `${digits} ${UNITS[unit]}`;
}

/** `1234567` → `1,234,567`. */
export const grouped = (number: number): string =>
  String(number).replace(/\B(?=(?:\d{3})+$)/g, ',');

/** `1 file`, `2 files`. */
export const counted = (count: number, one: string, many: string): string =>
  `${grouped(count)} ${count === 1 ? one : many}`;

/** Years of four digits. */
const FIRST_SECOND = Date.parse('0001-01-01T00:00:00Z') / 1000;
const LAST_SECOND = Date.parse('9999-12-31T23:59:59Z') / 1000;

/** Any number can be on a volume; those that are no usual date count as the nearest that is. */
export const dateOf = (seconds: number): Date =>
  new Date(Math.min(Math.max(seconds, FIRST_SECOND), LAST_SECOND) * 1000);
