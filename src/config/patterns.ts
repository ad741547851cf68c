import { RE2JS, RE2JSException, RE2JSSyntaxException } from 're2js';
import { bad, good, type Parsed, quote } from './values.js';

/**
 * A regular expression that is matched in time linear in the text: clients choose the text, and a backtracking engine
 * would let a single path keep a worker busy for minutes.
 */
export type Pattern = RE2JS;

/**
 * In RE2's instructions, of which ordinary rules have fewer than 100. What the worst path of 4,096 bytes costs grows with
 * them: 0.04 ms with `^/(a+)+$` (10), 33 ms with `(.*)a.{60}$` (68), 150 ms with `(.*)a.{900}$` (908).
 */
const LARGEST_PROGRAM = 1000;

/** Lookahead and lookbehind. */
const LOOKS_AROUND = /^\(\?<?[=!]/;

/** `\1`, `\g1` and `\k<name>`. */
const REFERS_BACK = /^\\[1-9gk]/;

/**
 * Compiles a pattern in RE2's syntax. `.` matches line feeds as well: a path can hold one (`%0A`), and must not slip past
 * a rule by it.
 */
export function compilePattern(text: string): Parsed<Pattern> {
  try {
    const pattern = RE2JS.compile(text, RE2JS.DOTALL);
    return pattern.programSize() <= LARGEST_PROGRAM
      ? good(pattern)
      : bad(
          `${quote(text)} is too large a regular expression (${pattern.programSize()} instructions, at most ${LARGEST_PROGRAM}): use smaller repeat counts, or several rules`,
        );
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    return bad(`${quote(text)} ${reason(error)}`);
  }
}

function reason(error: RE2JSException): string {
  if (!(error instanceof RE2JSSyntaxException))
    return `is not a regular expression: ${error.message}`;
  const what = error.error;
  // The flag that makes `.` match line feeds stands before what the file says.
  const input = error.input?.replace(/^\(\?s\)/, '') ?? '';
  if (LOOKS_AROUND.test(input)) {
    return `looks around by "${LOOKS_AROUND.exec(input)}": lookahead and lookbehind can't be matched in linear time; rules are tried in order, so put a rule for the exception before this one`;
  }
  if (REFERS_BACK.test(input)) {
    return `refers back to a group by "${input}", which can't be matched in linear time: write the alternatives out, as rules of their own where they are many`;
  }
  return `is not a regular expression: ${what}${input === '' ? '' : ` in ${quote(input)}`}`;
}
