/** The values of a mount's rules: what stands behind rewrite[], redirect[], cache-control[], type[] and error-page[]. */

import { compileGlob } from './globs.js';
import { LONGEST_NAME, LONGEST_PATH, TOKEN } from './names.js';
import { compilePattern } from './patterns.js';
import { parseRedirectTarget, parseRewriteTarget, type Target } from './targets.js';
import type {
  CacheControlRule,
  ErrorPage,
  RedirectRule,
  RedirectStatus,
  RewriteRule,
  TypeRule,
} from './types.js';
import { bad, good, type Parsed, quote, type ValueType } from './values.js';

/** A rule with this target ends the search and changes nothing, as in Apache's mod_rewrite. */
export const KEEP = '-';

/** The statuses of what can go wrong once the mount is known, save those that say how to ask again. */
export const PAGE_STATUSES: readonly number[] = [403, 404, 412, 416, 500, 503, 504];

const REDIRECT_STATUSES: readonly RedirectStatus[] = [301, 302, 303, 307, 308];

const fields = (text: string): string[] => text.split(/[ \t]+/).filter((field) => field !== '');

const BLANKS =
  'fields are separated by blanks, and a blank in a regular expression is \\x20 or \\s';

/** null where the rule is right. */
function ruleProblem(
  pattern: string,
  target: string,
  parseTarget: (text: string) => Parsed<Target>,
): string | null {
  const compiled = compilePattern(pattern);
  if (!compiled.ok) return compiled.message;
  if (target === KEEP) return null;
  const parsed = parseTarget(target);
  if (!parsed.ok) return parsed.message;
  const [wanted, there] = [parsed.value.groups, compiled.value.groupCount()];
  if (wanted <= there) return null;
  const groups = there === 1 ? '1 group' : `${there === 0 ? 'no' : there} groups`;
  return `$${wanted} has no group to stand for: ${quote(pattern)} has ${groups}`;
}

export const rewriteRule: ValueType<RewriteRule> = {
  words: '`REGEX PATH`',
  parse: (text) => {
    const [pattern, target, ...more] = fields(text);
    if (pattern === undefined || target === undefined || more.length > 0) {
      return bad(`${quote(text)} is not a regular expression and a path: ${BLANKS}`);
    }
    const problem = ruleProblem(pattern, target, parseRewriteTarget);
    return problem === null ? good({ pattern, target }) : bad(problem);
  },
};

export const redirectRule: ValueType<RedirectRule> = {
  words: '`REGEX TARGET [STATUS]`',
  parse: (text) => {
    const [pattern, target, statusText = '302', ...more] = fields(text);
    if (pattern === undefined || target === undefined || more.length > 0) {
      return bad(
        `${quote(text)} is not a regular expression, a target and, if wanted, a status: ${BLANKS}`,
      );
    }
    const status = REDIRECT_STATUSES.find((each) => String(each) === statusText);
    if (status === undefined) {
      return bad(
        `${quote(statusText)} is not one of ${REDIRECT_STATUSES.join(', ')}, nor part of the target: ${BLANKS}`,
      );
    }
    const problem = ruleProblem(pattern, target, parseRedirectTarget);
    return problem === null ? good({ pattern, target, status }) : bad(problem);
  },
};

/** Header values that need no thought: RFC 9110 §5.5 allows more, but nobody reads it the same way. */
export function headerValueProblem(value: string): string | null {
  const found = /[^\t -~]/u.exec(value);
  if (!found) return null;
  const hex = (found[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  return `${quote(value)} has a character that is not printable ASCII (U+${hex}), which clients read differently`;
}

/** The glob in the first field, checked; the rest of the text. */
function globAndRest(text: string, ignoreCase: boolean): Parsed<{ glob: string; rest: string }> {
  const [, glob, rest] = /^(\S+)[ \t]+(\S.*)$/su.exec(text) ?? [];
  if (glob === undefined || rest === undefined) return bad('');
  if (/^\.[^*?[\]{}\\/]*$/.test(glob)) {
    return bad(`${quote(glob)} would be a whole name: write *${glob}`);
  }
  const compiled = compileGlob(glob, ignoreCase);
  return compiled.ok ? good({ glob, rest }) : compiled;
}

export const cacheControlRule: ValueType<CacheControlRule> = {
  words: '`GLOB VALUE`',
  parse: (text) => {
    const parsed = globAndRest(text, false);
    if (!parsed.ok) {
      return parsed.message === ''
        ? bad(`${quote(text)} is not a glob and a value, such as *.js max-age=3600`)
        : parsed;
    }
    const { glob, rest: value } = parsed.value;
    const problem = headerValueProblem(value);
    return problem === null ? good({ glob, value }) : bad(problem);
  },
};

const TYPE = new RegExp(`^${TOKEN}/${TOKEN}$`);

/** `wasm application/wasm`. The type ends up in a header: a token, a slash and a token can do no harm there. */
export const typeRule: ValueType<TypeRule> = {
  words: '`EXTENSION TYPE/SUBTYPE` or `GLOB TYPE/SUBTYPE`',
  parse: (text) => {
    const [first = '', type = '', ...more] = fields(text);
    if (!TYPE.test(type) || more.length > 0) {
      return bad(
        `${quote(text)} is not an extension or a glob and a type, such as wasm application/wasm`,
      );
    }
    const glob = /[*?[{./\\]/.test(first) ? first : `*.${first}`;
    const parsed = globAndRest(`${glob} ${type}`, true);
    return parsed.ok ? good({ glob, type }) : parsed;
  },
};

/** A file below a mount's `root`; whether that is at a volume's root is seen when all has been read. */
export const rootFile: ValueType<string> = {
  words: 'path of a file below `root`, such as `/index.html`',
  parse: (text) => {
    if (!text.startsWith('/')) return bad(`${quote(text)} does not begin with /`);
    if (text.endsWith('/')) return bad(`${quote(text)} is a directory, not a file`);
    const segments = text.slice(1).split('/');
    if (segments.includes('')) return bad(`${quote(text)} has two slashes in a row`);
    if (segments.some((segment) => segment === '.' || segment === '..')) {
      return bad(`${quote(text)} has a . or .. segment`);
    }
    const long = segments.find((segment) => Buffer.byteLength(segment) > LONGEST_NAME);
    if (long !== undefined) return bad(`${quote(long)} is longer than ${LONGEST_NAME} bytes`);
    return Buffer.byteLength(text) > LONGEST_PATH
      ? bad(`the path is longer than ${LONGEST_PATH} bytes`)
      : good(text);
  },
};

export const errorPage: ValueType<ErrorPage> = {
  words: '`STATUS… PATH`',
  parse: (text) => {
    const [, numbers, path] = /^((?:[0-9]+[ \t]+)+)(\S.*)$/su.exec(text) ?? [];
    if (numbers === undefined || path === undefined) {
      return bad(`${quote(text)} is not one or more statuses and a path, such as 404 /404.html`);
    }
    const written = fields(numbers);
    const wrong = written.find((each) => !PAGE_STATUSES.includes(Number(each)));
    if (wrong !== undefined) {
      return bad(
        `${wrong} can't have a page: those that can are ${PAGE_STATUSES.join(', ')}, which is what can go wrong once the mount is known`,
      );
    }
    const file = rootFile.parse(path);
    return file.ok ? good({ statuses: written.map(Number), path }) : file;
  },
};
