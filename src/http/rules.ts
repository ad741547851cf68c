/**
 * A mount's rules: where a request is sent, what is served in its place, and the headers of the answer. Compiled once
 * from the configuration, which has checked them; using them is pure, and takes time linear in the path.
 */
import { compilePattern, type Pattern } from '../config/patterns.js';
import { KEEP } from '../config/rules.js';
import { parseRedirectTarget, parseRewriteTarget, type Target } from '../config/targets.js';
import type { MountConfig, RedirectStatus } from '../config/types.js';
import type { Parsed } from '../config/values.js';
import { firstGlob } from './glob.js';
import { type ApplyHeaders, compileHeaders } from './headers.js';
import { normalisePath, type PathResult } from './path.js';
import { type Found, location, rewrittenPath, type Variables } from './substitute.js';
import { toBytes, toText } from './text.js';

export interface Redirect {
  readonly status: RedirectStatus;
  /** The value of the header: printable ASCII. */
  readonly location: string;
}

export interface Rules {
  /** Whether a target has `$host`: if not, it need not be read from the request. */
  readonly needsHost: boolean;
  /** `path` as of parsePath. The first redirect that matches; null: none. */
  redirect(path: string, variables: Variables): Redirect | null;
  /**
   * `path` as of parsePath. What the first rewrite that matches makes of it; null: no rule matches, or none that changes
   * it. Not ok: it climbs above the root (400) or has become too long (414).
   */
  rewrite(path: string, variables: Variables): PathResult | null;
  /** The value of Cache-Control for a file, `path` relative to the mount's root as candidates are; null: none. */
  cacheControl(path: string): string | null;
  /** Applies header[] to the head of an answer, whatever its status. */
  readonly applyHeaders: ApplyHeaders;
}

export function compileRules(config: MountConfig): Rules {
  const redirects = config.redirects.map((rule) => ({
    ...compileRule(rule.pattern, rule.target, parseRedirectTarget),
    status: rule.status,
  }));
  const rewrites = config.rewrites.map((rule) =>
    compileRule(rule.pattern, rule.target, parseRewriteTarget),
  );
  const prefix = config.path === '/' ? '' : toBytes(config.path);
  const globs = config.cacheControl.map(({ glob }) => glob);
  const cacheGlob = firstGlob(globs, { prefix, ignoreCase: false });
  return {
    needsHost: [...redirects, ...rewrites].some(
      ({ target }) => target !== null && usesHost(target),
    ),
    redirect(path, variables) {
      const match = firstMatch(redirects, path, variables);
      if (!match?.rule.target) return null;
      const { target, status } = match.rule;
      return { status, location: location(target, match.found) };
    },
    rewrite(path, variables) {
      const match = firstMatch(rewrites, path, variables);
      if (!match?.rule.target) return null;
      const result = normalisePath(rewrittenPath(match.rule.target, match.found));
      return result.ok && result.path === path ? null : result;
    },
    cacheControl(path) {
      const index = cacheGlob(path);
      return index === -1 ? null : (config.cacheControl[index]?.value ?? null);
    },
    applyHeaders: compileHeaders(config.headers),
  };
}

interface Rule {
  readonly pattern: Pattern;
  /** null: a match ends the search and changes nothing. */
  readonly target: Target | null;
}

function compileRule(
  pattern: string,
  target: string,
  parseTarget: (text: string) => Parsed<Target>,
): Rule {
  return {
    pattern: known(compilePattern(pattern)),
    target: target === KEEP ? null : known(parseTarget(target)),
  };
}

/** The configuration has refused what is wrong, so what is wrong here is a bug. */
function known<T>(parsed: Parsed<T>): T {
  if (parsed.ok) return parsed.value;
  throw new Error(`a rule that the configuration let through: ${parsed.message}`);
}

function usesHost({ pieces }: Target): boolean {
  return pieces.some(
    (piece) => 'variable' in piece && 'name' in piece.variable && piece.variable.name === 'host',
  );
}

function firstMatch<R extends Rule>(
  rules: readonly R[],
  path: string,
  variables: Variables,
): { readonly rule: R; readonly found: Found } | null {
  if (rules.length === 0) return null;
  const text = toText(path);
  for (const rule of rules) {
    // Most rules don't match: asking only that is ten times cheaper than asking for groups.
    if (!rule.pattern.test(text)) continue;
    const needsGroups = rule.target !== null && rule.target.groups > 0;
    const groups = needsGroups ? (rule.pattern.exec(text) ?? []) : [];
    return { rule, found: { path: text, groups, variables } };
  }
  return null;
}
