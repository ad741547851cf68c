import { bad, good, type Parsed, quote } from './values.js';

export type Variable = { readonly group: number } | { readonly name: 'host' | 'uri' | 'args' };

/** The part of a URL in which something stands: what has to be escaped there differs. */
export type Place = 'authority' | 'path' | 'query' | 'fragment';

export type Piece = { readonly place: Place } & (
  | { readonly literal: string }
  | { readonly variable: Variable }
);

/** Where a redirect leads, or what a rewrite makes of a path. */
export interface Target {
  /** It begins with http:// or https://; otherwise it is a path on this host. */
  readonly absolute: boolean;
  readonly pieces: readonly Piece[];
  /** It has a query of its own, if only an empty one: the request's is not appended. */
  readonly hasQuery: boolean;
  /** The highest $1 to $9 in it; 0 where there is none. */
  readonly groups: number;
}

const DOLLAR = /\$(?:([1-9])|(host|uri|args)(?![A-Za-z0-9_])|(\$)|([A-Za-z0-9_]*))/g;

/** Only splits at variables: everything stands in `start` until `place` has looked at it. */
function split(text: string, start: Place): Parsed<Piece[]> {
  const pieces: Piece[] = [];
  let literal = '';
  let from = 0;
  for (const match of text.matchAll(DOLLAR)) {
    const [all, group, name, dollar, unknown = ''] = match;
    literal += text.slice(from, match.index);
    from = match.index + all.length;
    if (dollar !== undefined) {
      literal += '$';
      continue;
    }
    if (group === undefined && name === undefined) {
      return bad(
        `${quote(`$${unknown}`)} is not known: there are $1 to $9, $host, $uri and $args, and $$ for a dollar`,
      );
    }
    if (literal !== '') pieces.push({ place: start, literal });
    literal = '';
    pieces.push({ place: start, variable: variable(group, name) });
  }
  literal += text.slice(from);
  if (literal !== '') pieces.push({ place: start, literal });
  return good(pieces);
}

function variable(group: string | undefined, name: string | undefined): Variable {
  if (group !== undefined) return { group: Number(group) };
  return { name: name === 'host' || name === 'args' ? name : 'uri' };
}

function groupsOf(pieces: readonly Piece[]): number {
  return Math.max(
    0,
    ...pieces.map((piece) =>
      'variable' in piece && 'group' in piece.variable ? piece.variable.group : 0,
    ),
  );
}

/** A rewrite's: a decoded path, in which nothing but a slash and a dot segment is special. */
export function parseRewriteTarget(text: string): Parsed<Target> {
  if (!/^(?:\/|\$[1-9]|\$uri(?![A-Za-z0-9_]))/.test(text)) {
    return bad(`${quote(text)} does not begin with /, $1 to $9 or $uri`);
  }
  if (text.includes('?')) {
    return bad(`${quote(text)} has a ?: a rewrite changes the path alone, and the query stays`);
  }
  if (/%[0-9A-Fa-f]{2}/.test(text)) {
    return bad(`${quote(text)} has a percent-escape: write the character itself`);
  }
  const pieces = split(text, 'path');
  return pieces.ok
    ? good({
        absolute: false,
        pieces: pieces.value,
        hasQuery: false,
        groups: groupsOf(pieces.value),
      })
    : pieces;
}

/** A redirect's: a path on this host or an http(s) URL, percent-encoded where it must be. */
export function parseRedirectTarget(text: string): Parsed<Target> {
  const [scheme] = /^https?:\/\//.exec(text) ?? [];
  if (scheme === undefined && !/^(?:\/|\$[1-9]|\$uri(?![A-Za-z0-9_]))/.test(text)) {
    return bad(`${quote(text)} does not begin with /, http://, https://, $1 to $9 or $uri`);
  }
  if (/^\/[/\\]/.test(text)) {
    return bad(`${quote(text)} would lead to another host: write https:// and the host`);
  }
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) {
    return bad(`${quote(text)} has a % that begins no percent-escape: write %25`);
  }
  const pieces = split(text.slice(scheme?.length), scheme === undefined ? 'path' : 'authority');
  if (!pieces.ok) return pieces;
  const placed = place(pieces.value, scheme === undefined ? 'path' : 'authority');
  const problem = scheme === undefined ? null : authorityProblem(placed);
  if (problem !== null) return bad(`${quote(text)} ${problem}`);
  const first: Piece[] =
    scheme === undefined ? [] : [{ place: 'authority', literal: scheme } satisfies Piece];
  return good({
    absolute: scheme !== undefined,
    pieces: [...first, ...placed],
    hasQuery: placed.some((piece) => piece.place === 'query'),
    groups: groupsOf(placed),
  });
}

/** Cuts the literals where one part of the URL ends and the next begins. */
function place(pieces: readonly Piece[], start: Place): Piece[] {
  let here = start;
  return pieces.flatMap((piece): Piece[] => {
    if ('variable' in piece) {
      // $uri begins with a slash, so the authority ends before it.
      const isUri = 'name' in piece.variable && piece.variable.name === 'uri';
      if (isUri && here === 'authority') here = 'path';
      return [{ place: here, variable: piece.variable }];
    }
    return piece.literal.split(/(?=[/?#])/).map((literal) => {
      here = after(here, literal);
      return { place: here, literal };
    });
  });
}

function after(here: Place, literal: string): Place {
  if (here === 'fragment' || literal.startsWith('#')) return 'fragment';
  if (here === 'query' || literal.startsWith('?')) return 'query';
  return literal.startsWith('/') ? 'path' : here;
}

/**
 * A host that ends with what a client sent would lead wherever the client likes: `https://example.org$1` leads to
 * example.org.evil.example for a path that goes on like this. So text of the file always ends it.
 */
function authorityProblem(pieces: readonly Piece[]): string | null {
  const authority = pieces.filter((piece) => piece.place === 'authority');
  for (const [index, piece] of authority.entries()) {
    if ('literal' in piece) continue;
    if ('name' in piece.variable) {
      if (piece.variable.name === 'args') return 'has $args in its host';
      continue;
    }
    const next = authority[index + 1];
    const isDomain = index + 2 < authority.length ? /^\./ : /^\.[A-Za-z0-9-]/;
    if (!next || !('literal' in next) || !isDomain.test(next.literal)) {
      const { group } = piece.variable;
      return `lets a client choose the host by $${group}: put a / before it, or the rest of the host's name behind it, such as $${group}.example.org`;
    }
  }
  const shown = authority.map((piece) => ('literal' in piece ? piece.literal : 'x')).join('');
  return /^[A-Za-z0-9._:[\]-]+$/.test(shown) && URL.canParse(`https://${shown}/`)
    ? null
    : 'has no host, or one that can not be';
}
