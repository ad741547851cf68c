/** What a key's text turns into: the value, or what is wrong with it, as the end of a sentence about the key. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string };

/** A kind of value: what may be written, in words for docs/config.md, and how it is read. Nothing is ever clamped. */
export interface ValueType<T> {
  readonly words: string;
  readonly parse: (text: string) => Parsed<T>;
}

export const good = <T>(value: T): Parsed<T> => ({ ok: true, value });
export const bad = (message: string): Parsed<never> => ({ ok: false, message });

const LONGEST_SHOWN = 100;

/** The text in double quotes as the messages show it: not escaped, since backslashes are nothing special here. */
export function quote(text: string): string {
  return text.length <= LONGEST_SHOWN ? `"${text}"` : `"${text.slice(0, LONGEST_SHOWN)}…"`;
}

export function oneOf<const T extends string>(...words: T[]): ValueType<T> {
  const shown = words.map((word) => `\`${word}\``).join(', ');
  return {
    words: `one of ${shown}`,
    parse: (text) => {
      const found = words.find((word) => word === text);
      return found === undefined
        ? bad(`${quote(text)} is not one of ${words.join(', ')}`)
        : good(found);
    },
  };
}

/** Both ends are allowed. */
export function whole(min: number, max: number): ValueType<number> {
  const words = `whole number between ${min} and ${max}`;
  return {
    words,
    parse: (text) => {
      const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? good(value) : bad(`${quote(text)} is not a ${words}`);
    },
  };
}

interface Units {
  readonly name: 'time' | 'size';
  readonly factors: ReadonlyMap<string, number>;
  readonly units: string;
  readonly example: string;
}

const TIME: Units = {
  name: 'time',
  factors: new Map([
    ['ms', 1],
    ['s', 1000],
    ['m', 60_000],
    ['h', 3_600_000],
  ]),
  units: 'ms, s, m or h',
  example: '10s',
};

const SIZE: Units = {
  name: 'size',
  factors: new Map([
    ['', 1],
    ['K', 1024],
    ['M', 1024 ** 2],
    ['G', 1024 ** 3],
  ]),
  units: 'K, M or G (or nothing for bytes)',
  example: '16K',
};

/** Ranges are given as they are written, so that messages and docs show them in the same words. */
function measure(kind: Units, min: string, max: string): ValueType<number> {
  const [lowest, highest] = [number(kind, min), number(kind, max)];
  if (lowest === null || highest === null) throw new Error(`bad range ${min} to ${max}`);
  const range = `between ${min} and ${max}`;
  return {
    words: `${kind.name} ${range}`,
    parse: (text) => {
      const value = number(kind, text);
      if (value === null) {
        return bad(
          `${quote(text)} is not a ${kind.name}: write a whole number and ${kind.units}, such as ${kind.example}`,
        );
      }
      return value >= lowest && value <= highest
        ? good(value)
        : bad(`${quote(text)} is not a ${kind.name} ${range}`);
    },
  };
}

/** Zero needs no unit: it is the same in all of them. */
function number(kind: Units, text: string): number | null {
  const [, digits, unit = ''] = /^([0-9]+)([A-Za-z]*)$/.exec(text) ?? [];
  if (digits === undefined) return null;
  const factor = kind.factors.get(unit);
  if (factor !== undefined) return Number(digits) * factor;
  return unit === '' && Number(digits) === 0 ? 0 : null;
}

/** In milliseconds. */
export const time = (min: string, max: string): ValueType<number> => measure(TIME, min, max);

/** In bytes. */
export const size = (min: string, max: string): ValueType<number> => measure(SIZE, min, max);

/** A time for those who only know whole seconds; in seconds. */
export function seconds(min: string, max: string): ValueType<number> {
  const base = time(min, max);
  return {
    words: `${base.words}, in whole seconds`,
    parse: (text) => {
      const parsed = base.parse(text);
      if (!parsed.ok) return parsed;
      return parsed.value % 1000 === 0
        ? good(parsed.value / 1000)
        : bad(`${quote(text)} is not in whole seconds, and GlusterFS knows no shorter ones`);
    },
  };
}

/** A comma list. An item can hold no comma; an empty item, such as a trailing comma leaves, and a repeated one are errors. */
export function commaList<T>(item: ValueType<T>): ValueType<readonly T[]> {
  return {
    words: `comma list, each item: ${item.words}`,
    parse: (text) => {
      const values: T[] = [];
      const seen = new Set<string>();
      for (const part of text.split(',').map((each) => each.replace(/^[ \t]+|[ \t]+$/g, ''))) {
        if (part === '') return bad(`${quote(text)} has an empty item between its commas`);
        const parsed = item.parse(part);
        if (!parsed.ok) return parsed;
        const identity = JSON.stringify(parsed.value);
        if (seen.has(identity)) return bad(`${quote(part)} is listed twice`);
        seen.add(identity);
        values.push(parsed.value);
      }
      return good(values);
    },
  };
}

/** A type whose values are texts that match `pattern`. `is` completes the sentence "x is not …". */
export function matching(words: string, pattern: RegExp, is: string): ValueType<string> {
  return {
    words,
    parse: (text) => (pattern.test(text) ? good(text) : bad(`${quote(text)} is not ${is}`)),
  };
}
