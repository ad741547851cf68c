/** Host and path → mount. Built once from the configuration; matching is pure. */
import type { MountConfig } from '../config/types.js';
import { MountCounters } from '../observe/request_counters.js';
import type { RootId, Storage } from '../storage/storage.js';
import { createCompression, type MountCompression } from './compression.js';
import { createNegotiation, type Offer } from './encodings.js';
import { normaliseHost } from './host.js';
import { compileRules, type Rules } from './rules.js';
import { toBytes } from './text.js';
import { createTypes, type Types } from './types.js';

/** A URL path → a root on a volume, and how what is found there is answered. */
export interface Mount {
  readonly name: string;
  /** As bytes; without a trailing slash, so '' for the root of the site. */
  readonly prefix: string;
  readonly hosts: readonly string[];
  readonly storage: Storage;
  readonly root: RootId;
  /** As bytes. */
  readonly index: readonly string[];
  readonly hidden: 'deny' | 'allow';
  readonly symlinks: MountConfig['symlinks'];
  readonly autoindex: MountConfig['autoindex'];
  /** A file below the root that stands in for whatever is not there, as bytes. */
  readonly fallback: string | null;
  /** Status → a file below the root, as bytes. */
  readonly errorPages: ReadonlyMap<number, string>;
  /** Accept-Encoding → the encodings to answer in, best first. */
  readonly encodings: (acceptEncoding: string) => readonly Offer[];
  readonly compression: MountCompression;
  /** Answers depend on Accept-Encoding. */
  readonly varies: boolean;
  readonly types: Types;
  readonly rules: Rules;
  readonly counters: MountCounters;
}

export interface Router {
  readonly mounts: readonly Mount[];
  /** For requests that no mount is found for. */
  readonly unmounted: MountCounters;
  /** Whether any mount or rule cares for the host: if not, it need not be read from the request. */
  readonly needsHost: boolean;
  /** The same for Accept-Encoding. */
  readonly needsAcceptEncoding: boolean;
  /** `path` as of parsePath; `host` as the client sent it. */
  match(host: string, path: string): Mount | null;
}

/** No mount can be called so. */
const NO_MOUNT = '-';

/** Each mount's root is registered with its volume here. */
export function createRouter(
  configs: readonly MountConfig[],
  storageOf: (volume: string) => Storage,
): Router {
  const candidates = configs.flatMap((config) => {
    const storage = storageOf(config.volume);
    const prefix = config.path === '/' ? '' : toBytes(config.path);
    const types = createTypes(config.types, config.charset, prefix);
    const rules = compileRules(config);
    const mount: Mount = {
      name: config.name,
      prefix,
      hosts: config.hosts,
      storage,
      root: storage.root(toBytes(config.root), config.symlinks),
      index: config.index.map(toBytes),
      hidden: config.hidden,
      symlinks: config.symlinks,
      autoindex: config.autoindex,
      fallback: config.fallback === null ? null : toBytes(config.fallback),
      errorPages: new Map(
        config.errorPages.flatMap(({ statuses, path }) =>
          statuses.map((status) => [status, toBytes(path)] as const),
        ),
      ),
      encodings: createNegotiation(config.precompressed, config.compress),
      compression: createCompression(config, types, rules, storage.keepsUpTo ?? 0),
      varies: config.precompressed.length > 0 || config.compress.length > 0,
      types,
      rules,
      counters: new MountCounters(config.name),
    };
    const patterns = config.hosts.length === 0 ? [''] : config.hosts;
    return patterns.map((pattern) => ({ mount, pattern, specificity: specificity(pattern) }));
  });
  // The longest path wins; among equal paths the most specific host.
  candidates.sort(
    (a, b) => b.mount.prefix.length - a.mount.prefix.length || b.specificity - a.specificity,
  );
  return {
    mounts: [...new Set(candidates.map(({ mount }) => mount))],
    unmounted: new MountCounters(NO_MOUNT),
    needsHost: candidates.some(({ mount, pattern }) => pattern !== '' || mount.rules.needsHost),
    needsAcceptEncoding: candidates.some(({ mount }) => mount.varies),
    match(rawHost, path) {
      const host = rawHost === '' ? '' : normaliseHost(rawHost);
      for (const { mount, pattern } of candidates) {
        if (underPrefix(path, mount.prefix) && hostMatches(host, pattern)) return mount;
      }
      return null;
    },
  };
}

/** Exact, then the longest wildcard, then none. */
function specificity(pattern: string): number {
  if (pattern === '') return 0;
  return pattern.startsWith('*.') ? pattern.length : Number.MAX_SAFE_INTEGER;
}

/** `/foo` takes `/foo` and `/foo/x`, not `/foobar`. */
function underPrefix(path: string, prefix: string): boolean {
  return (
    path.startsWith(prefix) &&
    (path.length === prefix.length || path.charCodeAt(prefix.length) === 47)
  );
}

function hostMatches(host: string, pattern: string): boolean {
  if (pattern === '') return true;
  if (!pattern.startsWith('*.')) return host === pattern;
  return host.length > pattern.length - 1 && host.endsWith(pattern.slice(1));
}
