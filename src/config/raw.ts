import type { Place, Report } from './report.js';
import { bad, good, type Parsed, quote } from './values.js';

/** One `key = value` line. */
export interface RawEntry {
  readonly line: number;
  /** Without the brackets of a list. */
  readonly key: string;
  /** Written `key[]`. */
  readonly list: boolean;
  /** Without its quotes and comment, and otherwise what the line says; null where that is an error, already reported. */
  readonly value: string | null;
}

export interface RawSection {
  readonly line: number;
  /** What stands between the brackets; null where the header can't be read. */
  readonly title: string | null;
  readonly entries: readonly RawEntry[];
}

/** Space and tab are the only whitespace here; String.trim() would take a no-break space or a BOM away unseen. */
const trim = (text: string): string => text.replace(/^[ \t]+|[ \t]+$/g, '');

/** Nothing, or a comment, which needs whitespace before it. */
const NOTHING_MORE = /^(?:[ \t]+[;#].*|[ \t]*)$/su;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\0-\x08\x0a-\x1f\x7f-\x9f]/;

/** Whitespace and marks that look like a space or like nothing: a value must not differ from what is seen. */
const UNSEEN = /[\u00a0\u00ad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]/;

function codePoint(text: string): string {
  const hex = (text.codePointAt(0) ?? 0).toString(16).toUpperCase();
  return `U+${hex.padStart(4, '0')}`;
}

function controlCharacter(text: string): string | null {
  const found = CONTROL.exec(text);
  return (
    found && (found[0] === '\0' ? 'a NUL byte' : `a control character (${codePoint(found[0])})`)
  );
}

/**
 * The value that stands behind the `=`, which is where `text` begins.
 *
 * - In quotes of either kind, nothing is special but the quote itself, which is written twice.
 * - Without quotes, a value ends at a comment or at the line's end; it has no quotes, and no `;` or `#`.
 */
export function scanValue(text: string): Parsed<string> {
  const start = text.search(/[^ \t]/);
  const first = text[start];
  return first === '"' || first === "'"
    ? scanQuoted(text.slice(start + 1), first)
    : scanUnquoted(text);
}

function scanQuoted(text: string, mark: string): Parsed<string> {
  let value = '';
  let from = 0;
  for (;;) {
    const end = text.indexOf(mark, from);
    if (end === -1) return bad(`has no closing ${mark}`);
    value += text.slice(from, end);
    if (text[end + 1] !== mark) {
      return NOTHING_MORE.test(text.slice(end + 1))
        ? good(value)
        : bad(
            `has something behind the closing ${mark}: quotes go around the whole value, a ${mark} in it is written twice, and a comment needs a space before it`,
          );
    }
    value += mark;
    from = end + 2;
  }
}

function scanUnquoted(text: string): Parsed<string> {
  const value = trim(text.replace(/[ \t][;#].*$/su, ''));
  const cut = /[;#]/.exec(value);
  if (cut) {
    return bad(
      `has a ${cut[0]} in its value: put the value in quotes if it belongs to it, or a space before it if it begins a comment`,
    );
  }
  const mark = /["']/.exec(value);
  if (mark) return bad(`has a stray ${mark[0]} in its value: put the whole value in quotes`);
  const unseen = UNSEEN.exec(value);
  if (unseen) {
    return bad(
      `has a character in its value that can't be seen (${codePoint(unseen[0])}): remove it, or put the value in quotes`,
    );
  }
  return good(value);
}

/** Reads lines into sections, by itself: what a line means is decided here and nowhere else. */
export function scanLines(lines: readonly string[], report: Report): RawSection[] {
  const sections: RawSection[] = [];
  let entries: RawEntry[] | null = null;
  let section: string | null = null;
  for (const [index, text] of lines.entries()) {
    const line = index + 1;
    const place: Place = { line, section, key: null };
    const control = controlCharacter(text);
    if (control !== null) report.error({ ...place, section: null }, `holds ${control}`);
    const content = trim(text);
    if (control !== null || content === '' || content.startsWith(';') || content.startsWith('#')) {
      continue;
    }
    if (content.startsWith('[')) {
      section = scanHeader(content, line, report);
      entries = [];
      sections.push({ line, title: section, entries });
      continue;
    }
    const entry = scanEntry(content, place, report);
    if (!entry) continue;
    if (entries) entries.push(entry);
    else report.error({ ...place, key: entry.key }, 'stands before the first [section]');
  }
  return sections;
}

function scanHeader(text: string, line: number, report: Report): string | null {
  const [, title, rest] = /^\[([^[\]]*)\](.*)$/su.exec(text) ?? [];
  const place: Place = { line, section: null, key: null };
  if (title === undefined || rest === undefined) {
    report.error(place, `${quote(text)} is not a section: write [section] or [section name]`);
    return null;
  }
  if (!NOTHING_MORE.test(rest)) {
    report.error(
      { ...place, section: title },
      'has something behind the closing bracket: keys stand on lines of their own, and a comment needs a space before it',
    );
  }
  return trim(title).replace(/[ \t]+/g, ' ');
}

function scanEntry(text: string, place: Place, report: Report): RawEntry | null {
  const equals = text.indexOf('=');
  if (equals === -1) {
    report.error(place, `${quote(text)} has no "=": write key = value`);
    return null;
  }
  const name = trim(text.slice(0, equals));
  if (name === '') {
    report.error(place, `${quote(text)} has no key before its "="`);
    return null;
  }
  const list = name.endsWith('[]');
  const key = list ? name.slice(0, -2) : name;
  const value = scanValue(text.slice(equals + 1));
  if (!value.ok) report.error({ ...place, key: name }, value.message);
  return { line: place.line ?? 0, key, list, value: value.ok ? value.value : null };
}
