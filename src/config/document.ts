import ini from 'ini';
import { type RawEntry, type RawSection, scanLines } from './raw.js';
import type { Place, Report } from './report.js';
import { type Key, type SectionSpec, sections } from './schema.js';
import { didYouMean } from './suggest.js';
import { quote } from './values.js';

export interface Entry {
  readonly line: number;
  readonly value: string;
}

/** A known section of the file with its known keys, each of them once or a list; its values are not looked at yet. */
export interface Section {
  readonly spec: SectionSpec;
  /** `volume a`, as messages show it. */
  readonly title: string;
  /** `a`; null where the kind has no names. */
  readonly name: string | null;
  readonly line: number;
  readonly entries: ReadonlyMap<string, readonly Entry[]>;
  /** Keys that are there, but not as they must be: they are not missing. */
  readonly refused: ReadonlySet<string>;
}

export interface Document {
  readonly sections: readonly Section[];
  /** Kinds of which a section was refused: they are not missing. */
  readonly refused: ReadonlySet<string>;
}

interface Draft extends Section {
  readonly entries: Map<string, Entry[]>;
  readonly refused: Set<string>;
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

const TITLES = sections.map((spec) => (spec.named ? `${spec.kind} NAME` : spec.kind));

/** Reads lines as the schema's sections and keys. What is not in the schema is reported and left out. */
export function readDocument(lines: readonly string[], report: Report): Document {
  const drafts = new Map<string, Draft>();
  const refused = new Set<string>();
  for (const raw of scanLines(lines, report)) {
    if (raw.title === null) continue;
    const draft = recognise(raw, raw.title, report, refused);
    if (!draft) continue;
    const earlier = drafts.get(draft.title);
    if (earlier) {
      report.error(
        { line: draft.line, section: draft.title, key: null },
        `the section already begins in line ${earlier.line}: put all its keys there`,
      );
    } else drafts.set(draft.title, draft);
    for (const entry of raw.entries) addEntry(earlier ?? draft, entry, report);
  }
  return { sections: parse([...drafts.values()]), refused };
}

function recognise(
  raw: RawSection,
  title: string,
  report: Report,
  refused: Set<string>,
): Draft | null {
  const place: Place = { line: raw.line, section: title, key: null };
  const [, kind = '', name] = /^([^ ]*)(?: (.*))?$/su.exec(title) ?? [];
  const spec = sections.find((each) => each.kind === kind);
  if (!spec) {
    const near = didYouMean(
      kind,
      sections.map((each) => each.kind),
    );
    report.error(
      place,
      near ? `unknown section${near}` : `unknown section: there are ${TITLES.join(', ')}`,
    );
    return null;
  }
  const problem = headerProblem(spec, name);
  if (problem !== null) {
    report.error(place, problem);
    refused.add(kind);
    return null;
  }
  return {
    spec,
    title,
    name: name ?? null,
    line: raw.line,
    entries: new Map(),
    refused: new Set(),
  };
}

function headerProblem(spec: SectionSpec, name: string | undefined): string | null {
  if (!spec.named) return name === undefined ? null : `takes no name: write [${spec.kind}]`;
  if (name === undefined) return `needs a name: write [${spec.kind} NAME]`;
  return NAME.test(name)
    ? null
    : `${quote(name)} is not a name: letters, digits, _, and behind the first also . and -`;
}

function addEntry(section: Draft, raw: RawEntry, report: Report): void {
  const written = raw.list ? `${raw.key}[]` : raw.key;
  const place: Place = { line: raw.line, section: section.title, key: written };
  const { keys } = section.spec;
  const key = Object.hasOwn(keys, raw.key) ? keys[raw.key] : undefined;
  if (!key) {
    report.error(
      place,
      `unknown key${elsewhere(raw.key) ?? didYouMean(raw.key, Object.keys(keys))}`,
    );
    return;
  }
  const earlier = section.entries.get(raw.key);
  const problem = entryProblem(key, raw, earlier?.[0]);
  if (problem !== null) report.error(place, problem);
  // A value of null has been reported with its reason.
  if (problem !== null || raw.value === null) section.refused.add(raw.key);
  else if (earlier) earlier.push({ line: raw.line, value: raw.value });
  else section.entries.set(raw.key, [{ line: raw.line, value: raw.value }]);
}

function entryProblem(key: Key, raw: RawEntry, earlier: Entry | undefined): string | null {
  const isList = key.kind === 'list';
  if (isList && !raw.list) return `takes several values, each on its line: write ${raw.key}[] =`;
  if (!isList && raw.list) return `takes one value: write ${raw.key} =`;
  if (!isList && earlier) return `is already set in line ${earlier.line}`;
  return raw.value === '' ? 'has no value' : null;
}

/** A key that stands in the wrong section is more likely than a mistyped one. */
function elsewhere(name: string): string | null {
  const homes = sections.filter((spec) => Object.hasOwn(spec.keys, name));
  const titles = homes.map((spec) => (spec.named ? `[${spec.kind} NAME]` : `[${spec.kind}]`));
  return titles.length === 0 ? null : ` here; it belongs in ${titles.join(' or ')}`;
}

/**
 * Has `ini` read the sections, written again in the form that it can't misunderstand: one section, key and value each,
 * dots in section names escaped and every value a JSON string. That it then reads what the lines say is checked, since
 * a value that silently changed is worse than a start that failed.
 */
function parse(drafts: readonly Draft[]): readonly Section[] {
  const parsed: Readonly<Record<string, unknown>> = ini.parse(drafts.map(rewrite).join('\n'));
  return drafts.map((draft) => ({
    ...draft,
    entries: new Map(
      [...draft.entries].map(([key, entries]) => {
        const values = [property(parsed[draft.title], key)].flat();
        if (values.length !== entries.length) throw new Error(`ini lost a value of ${key}`);
        return [key, entries.map((entry, index) => agreed(entry, values[index]))];
      }),
    ),
  }));
}

function rewrite(draft: Draft): string {
  const lines = [...draft.entries].flatMap(([key, entries]) => {
    const suffix = draft.spec.keys[key]?.kind === 'list' ? '[]' : '';
    return entries.map(({ value }) => `${key}${suffix} = ${jsonString(value)}`);
  });
  return [`[${draft.title.replaceAll('.', '\\.')}]`, ...lines].join('\n');
}

/** JSON leaves these two as they are, but to the regular expression in `ini` they end a line. */
function jsonString(value: string): string {
  return JSON.stringify(value).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}

function property(table: unknown, key: string): unknown {
  return typeof table === 'object' && table !== null ? Reflect.get(table, key) : undefined;
}

function agreed(entry: Entry, value: unknown): Entry {
  // Even in quotes `ini` makes true, false and null of these words.
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (text !== entry.value) throw new Error(`ini reads line ${entry.line} differently`);
  return { line: entry.line, value: text };
}
