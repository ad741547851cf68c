/** Media types, with `*` for a part of a type or subtype: what `compress-types` lists. */
import { TOKEN } from './names.js';
import { bad, good, quote, type ValueType } from './values.js';

const MEDIA_RANGE = new RegExp(`^${TOKEN}/${TOKEN}$`);

/** In lower case, which media types are compared in. */
export const mediaRange: ValueType<string> = {
  words: 'media type such as `application/json`, with `*` for any characters but the slash',
  parse: (text) =>
    MEDIA_RANGE.test(text)
      ? good(text.toLowerCase())
      : bad(`${quote(text)} is not a media type, such as application/json or text/*`),
};

/** Whether a media type, in lower case and without parameters, is one of these. The configuration has checked the ranges. */
export function compileMediaRanges(ranges: readonly string[]): (type: string) => boolean {
  // Matched with types of the configuration and of the built-in table, which no client chooses.
  const patterns = ranges.map((range) => {
    const escaped = range.replace(/[^*]+/g, (text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
    return `^${escaped.replaceAll('*', '[^/]*')}$`;
  });
  if (patterns.length === 0) return () => false;
  const pattern = new RegExp(patterns.join('|'));
  return (type) => pattern.test(type);
}
