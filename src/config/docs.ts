import { type Key, type SectionSpec, sections } from './schema.js';

/** The part of docs/config.md between the two marks is made by `keyTables`; a test keeps it up to date. */
export const BEGIN = '<!-- made from src/config/schema.ts: begin -->';
export const END = '<!-- made from src/config/schema.ts: end -->';

/** The page with its tables made anew. */
export function renewTables(page: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error('the page has no marks for its tables');
  return `${page.slice(0, begin + BEGIN.length)}\n\n${keyTables()}\n${page.slice(end)}`;
}

/** Markdown: a heading, a sentence and a table for each section. */
export function keyTables(): string {
  return sections.map(sectionTable).join('\n');
}

function sectionTable(spec: SectionSpec): string {
  const title = spec.named ? `[${spec.kind} NAME]` : `[${spec.kind}]`;
  const rows = Object.entries<Key>(spec.keys).map(([name, key]) => row(name, key));
  return [
    `### \`${title}\``,
    '',
    spec.meaning,
    '',
    '| Key | Value | Default | Meaning |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function row(name: string, key: Key): string {
  return `| \`${name}${key.kind === 'list' ? '[]' : ''}\` | ${key.type.words} | ${fallback(key)} | ${key.meaning} |`;
}

function fallback(key: Key): string {
  switch (key.kind) {
    case 'required':
      return 'required';
    case 'default':
      return `\`${key.fallback}\``;
    case 'optional':
      return key.unset;
    case 'list':
      return key.atLeastOne ? 'at least one' : 'none';
    default:
      return key satisfies never;
  }
}
