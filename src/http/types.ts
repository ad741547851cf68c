/** File name → Content-Type: the mount's own `type[]`, then `mime-types`, then the charset. */
import mime from 'mime-types';
import type { MountConfig } from '../config/types.js';
import { firstGlob } from './glob.js';

export interface Types {
  /** The value of Content-Type for a file; `path` (bytes) is relative to the mount's root, as candidates are. */
  of(path: string): string;
}

const UNKNOWN = 'application/octet-stream';

/** Types besides text/* whose content is text. */
const TEXTUAL =
  /^(?:text\/.*|application\/(?:javascript|json|xml|.*\+xml|.*\+json)|image\/svg\+xml)$/;

/** A glob that asks for nothing but an extension. */
const EXTENSION = /^\*\.([^.*?[\]{}\\/]+)$/;

/** The lower-case extension of the last segment; '' when it has none, as for `Makefile` and `.profile`. */
export function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? '' : name.slice(dot + 1).toLowerCase();
}

/** At most this many extensions are remembered: clients choose the paths. */
const REMEMBERED = 1000;

/** `prefix` is the mount's, as bytes: globs with a slash see the full path. */
export function createTypes(
  overrides: MountConfig['types'],
  charset: string | null,
  prefix = '',
): Types {
  const complete = (type: string): string =>
    charset && TEXTUAL.test(type) ? `${type}; charset=${charset}` : type;
  // Extensions alone, which is how nearly everybody writes them, are looked up and remembered together with the
  // built-in ones. Anything else has to be tried in the order of the file.
  const extensions = overrides.map(({ glob }) => EXTENSION.exec(glob)?.[1]?.toLowerCase());
  const onlyExtensions = extensions.every((extension) => /^[ -~]+$/.test(extension ?? ''));
  const own = new Map(
    onlyExtensions ? overrides.map(({ type }, index) => [extensions[index] ?? '', type]) : [],
  );
  const byExtension = remembering((extension) => {
    if (extension === '') return UNKNOWN;
    return complete(own.get(extension) ?? (mime.types[extension] || UNKNOWN));
  });
  if (onlyExtensions) return { of: (path) => byExtension(extensionOf(path)) };

  const ownTypes = overrides.map(({ type }) => complete(type));
  const match = firstGlob(
    overrides.map(({ glob }) => glob),
    { prefix, ignoreCase: true },
  );
  return {
    of(path) {
      const index = match(path);
      return (index === -1 ? null : ownTypes[index]) ?? byExtension(extensionOf(path));
    },
  };
}

function remembering(find: (extension: string) => string): (extension: string) => string {
  const remembered = new Map<string, string>();
  return (extension) => {
    let type = remembered.get(extension);
    if (type === undefined) {
      type = find(extension);
      if (remembered.size < REMEMBERED) remembered.set(extension, type);
    }
    return type;
  };
}
