import { bad, good, type Parsed } from './values.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** `$$(`, `$(NAME)`, or a `$(` that neither of them can be, in this order. */
const REFERENCE = /(\$\$\()|\$\(([A-Za-z_][A-Za-z0-9_]*)\)|(\$\()/g;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\0-\x1f\x7f-\x9f]/;

/**
 * Puts the environment's values in the place of `$(NAME)`, and `$(` in that of `$$(`. What is put in is not looked at
 * again: no quotes, comments or references are found in it.
 */
export function expand(text: string, env: Environment): Parsed<string> {
  let message: string | null = null;
  const value = text.replace(REFERENCE, (_, escaped, name: string | undefined) => {
    if (escaped !== undefined) return '$(';
    if (name === undefined) {
      message ??= 'has a "$(" that is not $(NAME): for the characters themselves write $$(';
      return '';
    }
    const found = Object.hasOwn(env, name) ? env[name] : undefined;
    if (found === undefined) message ??= `$(${name}) is not set in the environment`;
    else if (CONTROL.test(found)) {
      message ??= `$(${name}) holds a line break or another control character`;
    }
    return found ?? '';
  });
  return message === null ? good(value) : bad(message);
}
