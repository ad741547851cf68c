/** Which files of a mount are compressed on the fly. Built once from the configuration; pure. */
import { compileMediaRanges } from '../config/media_ranges.js';
import type { MountConfig } from '../config/types.js';
import { EXTENSIONS } from './encodings.js';
import type { Rules } from './rules.js';
import type { Types } from './types.js';

export interface MountCompression {
  /** Whether a file may be compressed, as far as its name tells; `path` is relative to the mount's root, as candidates are. */
  takes(path: string): boolean;
  /** The same of its size in bytes. */
  fits(size: number): boolean;
}

const NEVER: MountCompression = { takes: () => false, fits: () => false };

/** RFC 9110 §7.7: content that says so is left as it is. */
const NO_TRANSFORM = /(?:^|,)[ \t]*no-transform[ \t]*(?:,|$)/i;

/** `keepsUpTo`: bytes, up to which the storage keeps files whole. */
export function createCompression(
  config: MountConfig,
  types: Types,
  rules: Rules,
  keepsUpTo: number,
): MountCompression {
  if (config.compress.length === 0) return NEVER;
  // What header[] says of Cache-Control stands in the place of cache-control[].
  const everywhere = config.headers
    .filter(({ name }) => name.toLowerCase() === 'cache-control')
    .map(({ value }) => value);
  if (everywhere.some((value) => NO_TRANSFORM.test(value))) return NEVER;
  const mayDiffer = everywhere.length === 0 && config.cacheControl.length > 0;
  const isListed = compileMediaRanges(config.compressTypes);
  const extensions = Object.values(EXTENSIONS);
  return {
    takes(path) {
      const folded = path.toLowerCase();
      if (extensions.some((extension) => folded.endsWith(extension))) return false;
      const [type = ''] = types.of(path).split(';', 1);
      if (!isListed(type.toLowerCase())) return false;
      return !mayDiffer || !NO_TRANSFORM.test(rules.cacheControl(path) ?? '');
    },
    fits: (size) => size > 0 && size >= config.compressMinBytes && size <= keepsUpTo,
  };
}
