/** How names, sizes and dates appear in a listing. Pure. */
import { encodePath } from './path.js';

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

/** Years of four digits. */
const FIRST_SECOND = Date.parse('0001-01-01T00:00:00Z') / 1000;
const LAST_SECOND = Date.parse('9999-12-31T23:59:59Z') / 1000;

/** Any number can be on a volume; those that are no usual date count as the nearest that is. */
export const dateOf = (seconds: number): Date =>
  new Date(Math.min(Math.max(seconds, FIRST_SECOND), LAST_SECOND) * 1000);
