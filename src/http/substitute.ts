/**
 * `$1`, `$host`, `$uri` and `$args` in a rule's target → the path or Location. Pure.
 *
 * A Location goes into a header as it is, so nothing of a request gets there but through `escapes`, each of which
 * leaves only printable ASCII.
 */
import type { Piece, Place, Target, Variable } from '../config/targets.js';
import { safeHost } from './host.js';
import { encodePath, encodeQuery, percent } from './path.js';
import { toBytes } from './text.js';

/** What rules know of a request besides its path: both as the client sent them. */
export interface Variables {
  /** The Host header; '' where the router does not need it. */
  readonly host: string;
  /** The query, not decoded, without the question mark. */
  readonly args: string;
}

/** A pattern's match: the path as text, and the groups in it, the whole match first. */
export interface Found {
  readonly path: string;
  readonly groups: readonly (string | undefined)[];
  readonly variables: Variables;
}

function textOf(variable: Variable, found: Found): string {
  if ('group' in variable) return found.groups[variable.group] ?? '';
  switch (variable.name) {
    case 'host':
      return safeHost(found.variables.host);
    case 'uri':
      return found.path;
    case 'args':
      return found.variables.args;
    default:
      return variable.name satisfies never;
  }
}

/** The path, as bytes and not normalised. A rewrite's target says where it begins, a group need not. */
export function rewrittenPath(target: Target, found: Found): string {
  const text = target.pieces
    .map((piece) => ('literal' in piece ? piece.literal : textOf(piece.variable, found)))
    .join('');
  return toBytes(text.startsWith('/') ? text : `/${text}`);
}

const escaped = (text: string, pattern: RegExp): string =>
  text.replace(pattern, (char) => percent(char.charCodeAt(0)));

/** By where it stands: how the text of a group or a path is escaped, as bytes. */
const escapes: Readonly<Record<Place, (bytes: string) => string>> = {
  authority: (bytes) => escaped(bytes, /[^A-Za-z0-9._-]/g),
  path: encodePath,
  // It becomes one value: `&`, `=` and `+` in it must not make others.
  query: (bytes) => escaped(bytes, /[^A-Za-z0-9\-._~/:@,]/g),
  fragment: (bytes) => escaped(bytes, /[^A-Za-z0-9\-._~/:@,]/g),
};

/** A query is encoded already; only what would end it, or its place, is escaped. */
function escapeArgs(place: Place, args: string): string {
  const query = encodeQuery(args);
  return escaped(query, place === 'query' || place === 'fragment' ? /#/g : /[#?\\]/g);
}

/** The file's own text may have escapes, which stay. */
const escapeLiteral = (text: string): string => escaped(toBytes(text), /[^!-~]|[\\"<>^`{|}]/g);

function rendered(piece: Piece, found: Found): string {
  if ('literal' in piece) return escapeLiteral(piece.literal);
  const { place, variable } = piece;
  const value = textOf(variable, found);
  if ('group' in variable || variable.name === 'uri') return escapes[place](toBytes(value));
  return variable.name === 'args' ? escapeArgs(place, value) : value;
}

/**
 * The value of Location: printable ASCII. A target that is a path gives one that begins with exactly one slash and has no
 * backslash, and so stays on this host, whatever the request says.
 */
export function location(target: Target, found: Found): string {
  let [main, fragment] = ['', ''];
  for (const piece of target.pieces) {
    if (piece.place === 'fragment') fragment += rendered(piece, found);
    else main += rendered(piece, found);
  }
  if (!target.absolute) main = `/${main.replace(/^\/+/, '')}`;
  const { args } = found.variables;
  if (!target.hasQuery && args !== '') main += `?${escapeArgs('query', args)}`;
  // An empty query of its own is how a target says that the request's is dropped.
  return (main.endsWith('?') ? main.slice(0, -1) : main) + fragment;
}
