/** Path → the candidates for one storage call. Pure. */
import { type Encoding, EXTENSIONS } from './encodings.js';
import type { Mount } from './route.js';

/** What may answer a path, best first, for one storage call. */
export interface Choice {
  /** Relative to the mount's root. */
  readonly paths: readonly string[];
  /** How each is encoded; shorter than `paths`: null for the rest. */
  readonly encodings: readonly (Encoding | null)[];
}

const IDENTITY: readonly null[] = [];

/**
 * `rest` is a path below the mount's. One that asks for a directory ends with the directory itself, which tells "no
 * index" from "no directory".
 */
export function candidatesFor(mount: Mount, rest: string, encodings: readonly Encoding[]): Choice {
  const folder = rest.endsWith('/');
  const names = folder ? mount.index.map((name) => rest + name) : [rest];
  if (encodings.length === 0)
    return { paths: folder ? [...names, rest] : names, encodings: IDENTITY };
  const paths: string[] = [];
  const how: (Encoding | null)[] = [];
  for (const name of names) {
    for (const encoding of encodings) {
      // A compressed file asked for by its own name has no siblings.
      if (name.endsWith(EXTENSIONS[encoding])) continue;
      paths.push(name + EXTENSIONS[encoding]);
      how.push(encoding);
    }
    paths.push(name);
    how.push(null);
  }
  if (folder) paths.push(rest);
  return { paths, encodings: how };
}

/** What was found: its encoding, and the name that its type goes by. */
export function chosen(
  choice: Choice,
  index: number,
): { readonly name: string; readonly encoding: Encoding | null } {
  const path = choice.paths[index] ?? '';
  const encoding = choice.encodings[index] ?? null;
  return { name: encoding ? path.slice(0, -EXTENSIONS[encoding].length) : path, encoding };
}
