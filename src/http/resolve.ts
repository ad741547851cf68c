/** Path → the candidates for one storage call. Pure. */
import { type Compression, type Encoding, EXTENSIONS, type Offer } from './encodings.js';
import type { Mount } from './route.js';

/** What a candidate is. */
export type Form =
  /** The file itself, or the folder. */
  | { readonly kind: 'plain' }
  /** Precompressed. */
  | { readonly kind: 'sibling'; readonly encoding: Encoding }
  /** The file itself, to be compressed. `others`: if it can't be, siblings are left that the client likes less. */
  | { readonly kind: 'compress'; readonly encoding: Compression; readonly others: boolean };

/** What may answer a path, best first, for one storage call. */
export interface Choice {
  /** Relative to the mount's root. */
  readonly paths: readonly string[];
  /** What each is; shorter than `paths`: plain for the rest. */
  readonly forms: readonly Form[];
}

const PLAIN: Form = { kind: 'plain' };
const ALL_PLAIN: readonly Form[] = [];

/**
 * `rest` is a path below the mount's. One that asks for a directory ends with the directory itself, which tells "no
 * index" from "no directory".
 */
export function candidatesFor(mount: Mount, rest: string, offers: readonly Offer[]): Choice {
  const folder = rest.endsWith('/');
  const names = folder ? mount.index.map((name) => rest + name) : [rest];
  if (offers.length === 0) return { paths: folder ? [...names, rest] : names, forms: ALL_PLAIN };
  const paths: string[] = [];
  const forms: Form[] = [];
  for (const name of names) {
    for (const [path, form] of candidatesOf(mount, name, offers)) {
      paths.push(path);
      forms.push(form);
    }
  }
  if (folder) paths.push(rest);
  return { paths, forms };
}

/** Of one file, best first. */
function candidatesOf(
  mount: Mount,
  name: string,
  offers: readonly Offer[],
): (readonly [path: string, form: Form])[] {
  // A compressed file asked for by its own name has no siblings.
  const siblings = offers.flatMap((offer, place) =>
    offer.kind === 'sibling' && !name.endsWith(EXTENSIONS[offer.encoding])
      ? [{ place, candidate: [name + EXTENSIONS[offer.encoding], offer] as const }]
      : [],
  );
  const place = offers.findIndex(({ kind }) => kind === 'compressed');
  const into = offers[place];
  if (into?.kind !== 'compressed' || !mount.compression.takes(name)) {
    return [...siblings.map(({ candidate }) => candidate), [name, PLAIN]];
  }
  const better = siblings.filter((sibling) => sibling.place < place);
  const worse = siblings.filter((sibling) => sibling.place > place);
  const itself: Form = { kind: 'compress', encoding: into.encoding, others: worse.length > 0 };
  return [
    ...better.map(({ candidate }) => candidate),
    [name, itself],
    ...worse.map(({ candidate }) => candidate),
  ];
}

/** What was found: its form, and the name that its type goes by. */
export function chosen(
  choice: Choice,
  index: number,
): { readonly name: string; readonly form: Form } {
  const path = choice.paths[index] ?? '';
  const form = choice.forms[index] ?? PLAIN;
  const name = form.kind === 'sibling' ? path.slice(0, -EXTENSIONS[form.encoding].length) : path;
  return { name, form };
}
