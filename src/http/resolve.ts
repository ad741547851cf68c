/** Path → the candidates for one storage call. Pure. */
import type { Mount } from './route.js';

/**
 * What may answer `path`, best first, relative to the mount's root. A path that asks for a directory ends with the
 * directory itself, which tells "no index" (403) from "no directory" (404).
 */
export function candidatesFor(mount: Mount, path: string): readonly string[] {
  const rest = path.slice(mount.prefix.length);
  return rest.endsWith('/') ? [...mount.index.map((name) => rest + name), rest] : [rest];
}
