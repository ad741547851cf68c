/** The options of the volume that everything is measured on. */

/**
 * What GlusterFS itself calls `group metadata-cache`: clients keep what they know of a file until the
 * bricks tell them of a change. Its documentation advises it for many small files that are mostly read.
 */
const METADATA_CACHE = {
  'features.cache-invalidation': 'on',
  'features.cache-invalidation-timeout': '600',
  'performance.stat-prefetch': 'on',
  'performance.cache-invalidation': 'on',
  'performance.md-cache-timeout': '600',
  'network.inode-lru-limit': '200000',
};

/** Names for sets of options. */
export const VOLUME_PROFILES: Readonly<
  Record<string, { readonly title: string; readonly options: Readonly<Record<string, string>> }>
> = {
  'metadata-cache': {
    title: 'what `gluster volume set NAME group metadata-cache` sets',
    options: METADATA_CACHE,
  },
  'content-cache': {
    title: 'the same, and quick-read keeps content until it is told of a change',
    options: {
      ...METADATA_CACHE,
      'performance.quick-read-cache-invalidation': 'on',
      'performance.quick-read-cache-timeout': '600',
    },
  },
  plain: { title: 'as a new volume has them', options: {} },
};

export const DEFAULT_PROFILE = 'metadata-cache';
