/** File name → Content-Type: `mime-types`, then the mount's own `type[]`, then the charset. */
import mime from 'mime-types';
import type { MountConfig } from '../config/types.js';

export interface Types {
  /** The value of Content-Type for a file of this name (bytes). */
  of(path: string): string;
}

const UNKNOWN = 'application/octet-stream';

/** Types besides text/* whose content is text. */
const TEXTUAL =
  /^(?:text\/.*|application\/(?:javascript|json|xml|.*\+xml|.*\+json)|image\/svg\+xml)$/;

/** The lower-case extension of the last segment; '' when it has none, as for `Makefile` and `.profile`. */
export function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? '' : name.slice(dot + 1).toLowerCase();
}

/** At most this many extensions are remembered: clients choose the paths. */
const REMEMBERED = 1000;

export function createTypes(overrides: MountConfig['types'], charset: string | null): Types {
  const own = new Map(overrides.map(({ extension, type }) => [extension, type]));
  const remembered = new Map<string, string>();
  const find = (extension: string): string => {
    if (extension === '') return UNKNOWN;
    const type = own.get(extension) ?? (mime.types[extension] || UNKNOWN);
    return charset && TEXTUAL.test(type) ? `${type}; charset=${charset}` : type;
  };
  return {
    of(path) {
      const extension = extensionOf(path);
      let type = remembered.get(extension);
      if (type === undefined) {
        type = find(extension);
        if (remembered.size < REMEMBERED) remembered.set(extension, type);
      }
      return type;
    },
  };
}
