import type { Section } from './document.js';
import { type Environment, expand } from './environment.js';
import type { Place, Report } from './report.js';
import type { Key, Keys, SectionSpec, Values } from './schema.js';
import type { Parsed } from './values.js';

/** A section's values so far: what could not be read is not there, and has been reported. */
export interface Reading<K extends Keys> {
  /** Empty where the kind has no names. */
  readonly name: string;
  readonly values: Partial<Values<K>>;
  /** Whether the file sets the key. */
  readonly isSet: (key: keyof K & string) => boolean;
  /** Of the section, of a key in it, or of one of a list's values. */
  readonly place: (key?: keyof K & string, index?: number) => Place;
}

/** `section` is null where the file has none: defaults then, and errors for what is required. */
export function readSection<K extends Keys>(
  spec: SectionSpec<K>,
  section: Section | null,
  env: Environment,
  report: Report,
): Reading<K> {
  const place = (name?: keyof K & string, index = 0): Place => ({
    line: section?.entries.get(name ?? '')?.[index]?.line ?? section?.line ?? null,
    section: section?.title ?? spec.kind,
    key: name === undefined ? null : name + (spec.keys[name]?.kind === 'list' ? '[]' : ''),
  });
  const values: Record<string, unknown> = {};
  for (const [name, key] of Object.entries<Key>(spec.keys)) {
    const texts = section?.entries.get(name)?.map((entry) => expand(entry.value, env)) ?? [];
    const isRefused = section?.refused.has(name) === true;
    const parsed = readKey(key, texts);
    for (const { index, message } of parsed.problems) {
      if (texts.length > 0 || !isRefused) report.error(place(name, index), message);
    }
    if (parsed.problems.length === 0 && !isRefused) values[name] = parsed.value;
  }
  // Each value was made by the type that the schema has for its key, which is what Values<K> says.
  return {
    name: section?.name ?? '',
    values: values as Partial<Values<K>>,
    isSet: (name) => section?.entries.has(name) === true,
    place,
  };
}

/** Whether nothing was left out of the reading. */
export function isComplete<K extends Keys>(
  spec: SectionSpec<K>,
  values: Partial<Values<K>>,
): values is Values<K> {
  return Object.keys(spec.keys).every((name) => Object.hasOwn(values, name));
}

interface KeyReading {
  readonly value: unknown;
  readonly problems: readonly { readonly index: number; readonly message: string }[];
}

const missing: KeyReading = { value: null, problems: [{ index: 0, message: 'is missing' }] };

/** `texts` has one element, or none where the key is not set; a list's may have any number. */
function readKey(key: Key, texts: readonly Parsed<string>[]): KeyReading {
  switch (key.kind) {
    case 'optional':
      return texts.length === 0 ? { value: null, problems: [] } : readOne(key.type.parse, texts[0]);
    case 'required':
      return texts.length === 0 ? missing : readOne(key.type.parse, texts[0]);
    case 'default':
      return readOne(key.type.parse, texts[0] ?? { ok: true, value: key.fallback });
    case 'list':
      return key.atLeastOne && texts.length === 0 ? missing : readList(key.type.parse, texts);
    default:
      return key satisfies never;
  }
}

type Parse = (text: string) => Parsed<unknown>;

function readText(parse: Parse, text: Parsed<string>): Parsed<unknown> {
  if (!text.ok) return text;
  // The file's own empty values are refused earlier; the environment may still bring one.
  return text.value === '' ? { ok: false, message: 'has no value' } : parse(text.value);
}

function readOne(parse: Parse, text: Parsed<string> | undefined): KeyReading {
  return text === undefined ? missing : readList(parse, [text], true);
}

function readList(parse: Parse, texts: readonly Parsed<string>[], single = false): KeyReading {
  const results = texts.map((text) => readText(parse, text));
  const values = results.flatMap((result) => (result.ok ? [result.value] : []));
  return {
    value: single ? values[0] : values,
    problems: results.flatMap((result, index) =>
      result.ok ? [] : [{ index, message: result.message }],
    ),
  };
}
