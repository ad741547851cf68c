import { RE2JS } from 're2js';
import { compilePattern, type Pattern } from './patterns.js';
import { bad, good, type Parsed, quote } from './values.js';

/**
 * Globs become patterns of `re2js` like all the others: the libraries for globs make backtracking regular expressions of
 * them, whose time clients could blow up by the names they ask for.
 */
export interface Glob {
  /** It has a slash, so it is compared with the full path rather than with the last segment. */
  readonly hasSlash: boolean;
  /** Set where the glob is `*` and literal text (`*.js`) or only literal text: comparing costs a tenth of matching. */
  readonly simple: { readonly star: boolean; readonly text: string } | null;
  readonly pattern: Pattern;
}

/** Longer ones first. */
const TOKEN = /\/\*\*\/|\*\*|\*|\?|\[[!^]?\]?[^\]]*\]|\\.|[{},]|[^*?[\]{},\\/]+|./gsu;

/** Compiles `* ** ? [abc] [!a-z] {a,b} \*`. Anchored at both ends; no `*`, `?` or `[ ]` matches a slash. */
export function compileGlob(text: string, ignoreCase: boolean): Parsed<Glob> {
  const translated = translate(text);
  if (!translated.ok) return translated;
  const hasSlash = text.includes('/');
  if (hasSlash && /^[^/*?[{]/.test(text)) {
    return bad(
      `${quote(text)} has a slash and is compared with the full path: begin it with / or with **/`,
    );
  }
  const pattern = compilePattern(`${ignoreCase ? '(?i)' : ''}${translated.value}`);
  if (!pattern.ok) return bad(`${quote(text)} is not a glob`);
  const [, star, literal] = /^(\*?)([^*?[\]{}\\/]+)$/.exec(text) ?? [];
  const simple =
    star === undefined || literal === undefined
      ? null
      : { star: star !== '', text: ignoreCase ? literal.toLowerCase() : literal };
  return good({ hasSlash, simple, pattern: pattern.value });
}

/** The glob as a pattern in RE2's syntax, without anchors. */
function translate(text: string): Parsed<string> {
  let pattern = '';
  let depth = 0;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{') depth += 1;
    if (token === '}') depth -= 1;
    if (depth < 0) return bad(`${quote(text)} has a } without its {`);
    if (token === '[') return bad(`${quote(text)} has a [ without its ]`);
    if (token === '\\') return bad(`${quote(text)} ends with a backslash`);
    const piece = token.startsWith('[') ? characterClass(token) : translateToken(token, depth);
    if (piece === null) {
      return bad(
        `${quote(token)} is not a class of characters, such as [abc] or [!a-z], and no class takes a slash`,
      );
    }
    pattern += piece;
  }
  return depth === 0 ? good(pattern) : bad(`${quote(text)} has a { without its }`);
}

function translateToken(token: string, depth: number): string {
  switch (token) {
    // A single slash as well, as in the globs of shells and of git.
    case '/**/':
      return '/(?:.*/)?';
    case '**':
      return '.*';
    case '*':
      return '[^/]*';
    case '?':
      return '[^/]';
    case '{':
      return '(?:';
    case '}':
      return ')';
    case ',':
      return depth > 0 ? '|' : ',';
    default:
      return RE2JS.quote(token.length === 2 && token.startsWith('\\') ? token.slice(1) : token);
  }
}

/** null where it is empty, takes a slash, or has a range whose ends are the wrong way round. */
function characterClass(token: string): string | null {
  const [, negated = '', body = ''] = /^\[([!^]?)(.*)\]$/su.exec(token) ?? [];
  if (body === '' || body.includes('/')) return null;
  const escaped = body.replace(/[\\[\]^&~]/g, '\\$&');
  const own = negated === '' ? `[${escaped}]` : `[^/${escaped}]`;
  const compiled = compilePattern(own);
  if (!compiled.ok || compiled.value.testExact('/')) return null;
  return own;
}
