import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readDocument } from '../../src/config/document.js';
import { loadConfigText } from '../../src/config/load.js';
import { Report } from '../../src/config/report.js';

/** What docs/config.md says a file can't hold. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\0-\x08\x0a-\x1f\x7f-\x9f]/;
/** What it says a value without quotes can't hold, or would lose. */
const NEEDS_QUOTES = /[;#"']|^[ \t]|[ \t]$|^$/;
/** Each kind of character that some step might treat in its own way. */
const special = fc.constantFrom(
  ...';#"\'\\=[]$()%{}, \t.:/',
  '$(',
  '$$(',
  '\\"',
  '\\;',
  ' ;',
  ' #',
  '""',
  'true',
  'null',
  '__proto__',
  '\u2028',
  '\u2029',
  '\u00a0',
  '\ufeff',
  'é',
  '😀',
  'a',
);
const anyText = fc
  .oneof(
    fc.array(special, { minLength: 1, maxLength: 12 }).map((parts) => parts.join('')),
    fc.string({ unit: 'binary', minLength: 1 }),
  )
  .filter((text) => !CONTROL.test(text));

type Style = 'bare' | '"' | "'";

/** The rules of docs/config.md, as somebody would follow them who writes a file by hand. */
function write(value: string, style: Style): string {
  const text = value.replaceAll('$(', '$$$$(');
  if (style === 'bare' && !NEEDS_QUOTES.test(text) && /^[ -~]*$/.test(text)) return text;
  const mark = style === 'bare' ? '"' : style;
  return `${mark}${text.replaceAll(mark, mark + mark)}${mark}`;
}

const style = fc.constantFrom<Style>('bare', '"', "'");
const space = fc.constantFrom('', ' ', '\t', '   ');
const tail = fc.constantFrom('', ' ', ' ; a comment', '\t# "another"', ' ;', ' ;=;[x]#');
const written = fc.record({ value: anyText, style, before: space, after: space, tail });

describe('what is written is what is loaded', () => {
  test('for every value, in every way of writing it', () => {
    fc.assert(
      fc.property(fc.array(written, { minLength: 1, maxLength: 8 }), (items) => {
        const lines = items.map(
          (item) =>
            `xlator-option[]${item.before}=${item.after}${write(`a.b=x${item.value}`, item.style)}${item.tail}`,
        );
        const text = `[server]\nlisten[]=:1\n[mount m]\npath=/\nvolume=v\n[volume v]\nservers=a\n${lines.join('\n')}`;
        const result = loadConfigText(text, 'f', {});
        expect(result.ok ? [] : result.errors).toEqual([]);
        if (!result.ok) return;
        expect(result.config.volumes[0]?.xlatorOptions.map(({ value }) => value)).toEqual(
          items.map(({ value }) => `x${value}`),
        );
      }),
      { numRuns: 2000 },
    );
  });

  test('for values that begin or end in any way, before the environment is put in', () => {
    fc.assert(
      fc.property(written, (item) => {
        const report = new Report('f');
        const line = `path${item.before}=${item.after}${write(item.value, item.style)}${item.tail}`;
        const { sections } = readDocument(['[mount a.b]', line], report);
        expect(report.errors()).toEqual([]);
        expect(sections[0]?.entries.get('path')).toEqual([
          { line: 2, value: item.value.replaceAll('$(', '$$$$(') },
        ]);
      }),
      { numRuns: 2000 },
    );
  });

  test('for every name of a section', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/);
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 1 }), (names) => {
        const report = new Report('f');
        const lines = names.flatMap((each) => [`[mount ${each}]`, `root = /${each}`]);
        const { sections } = readDocument(lines, report);
        expect(report.errors()).toEqual([]);
        expect(sections.map((section) => section.name)).toEqual(names);
        expect(sections.map((section) => section.entries.get('root')?.[0]?.value)).toEqual(
          names.map((each) => `/${each}`),
        );
      }),
    );
  });
});

describe('whatever is written', () => {
  const line = fc.tuple(
    fc.constantFrom('', 'path =', 'path', 'type[]=', '[mount ', '[mount a]', '[log]', 'level='),
    fc.array(special, { maxLength: 6 }).map((parts) => parts.join('')),
  );

  test('is either loaded or refused with a line, and never breaks the reader', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const text = lines.map((parts) => parts.join('')).join('\n');
        const result = loadConfigText(text, 'f', {});
        expect(result.ok).toBe(false);
        for (const error of result.ok ? [] : result.errors) {
          expect(error.line ?? 1).toBeGreaterThanOrEqual(1);
          expect(error.line ?? 1).toBeLessThanOrEqual(Math.max(1, lines.length));
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('a value is loaded as it stands in its line, or refused', () => {
    fc.assert(
      fc.property(fc.array(special, { maxLength: 10 }), (parts) => {
        const text = parts.join('');
        const report = new Report('f');
        const { sections } = readDocument(['[mount m]', `path =${text}`], report);
        const value = sections[0]?.entries.get('path')?.[0]?.value;
        if (value === undefined) {
          expect(report.failed).toBe(true);
          return;
        }
        // Undoing the quotes' doubling aside, nothing can have changed inside it.
        const as = [value, value.replaceAll('"', '""'), value.replaceAll("'", "''")];
        expect(as.some((each) => text.includes(each))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
