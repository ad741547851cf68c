import { hostPattern, listenAddress, trustedProxy, volfileServer } from './addresses.js';
import { headerRule } from './headers.js';
import { mediaRange } from './media_ranges.js';
import {
  accessLog,
  account,
  capability,
  charsetName,
  indexName,
  localPath,
  urlPath,
  volumeName,
  volumePath,
  xlatorOption,
} from './names.js';
import {
  cacheControlRule,
  errorPage,
  redirectRule,
  rewriteRule,
  rootFile,
  typeRule,
} from './rules.js';
import { commaList, good, oneOf, seconds, size, time, type ValueType, whole } from './values.js';

/** Must be in the file. */
export interface RequiredKey<T> {
  readonly kind: 'required';
  readonly type: ValueType<T>;
  readonly meaning: string;
}

/** `fallback` is in the file's words and is read like them. */
export interface DefaultKey<T> {
  readonly kind: 'default';
  readonly type: ValueType<T>;
  readonly meaning: string;
  readonly fallback: string;
}

/** null when it is not in the file; `unset` says what happens then. */
export interface OptionalKey<T> {
  readonly kind: 'optional';
  readonly type: ValueType<T>;
  readonly meaning: string;
  readonly unset: string;
}

/** Written `key[]`, as often as wanted; one value each. */
export interface ListKey<T> {
  readonly kind: 'list';
  readonly type: ValueType<T>;
  readonly meaning: string;
  readonly atLeastOne: boolean;
}

export type Key =
  | RequiredKey<unknown>
  | DefaultKey<unknown>
  | OptionalKey<unknown>
  | ListKey<unknown>;

export type Keys = Readonly<Record<string, Key>>;

type ValueOf<K> =
  K extends RequiredKey<infer T>
    ? T
    : K extends DefaultKey<infer T>
      ? T
      : K extends OptionalKey<infer T>
        ? T | null
        : K extends ListKey<infer T>
          ? readonly T[]
          : null;

/** A section's values by their keys, as the types of its keys say. */
export type Values<K extends Keys> = { readonly [Name in keyof K]: ValueOf<K[Name]> };

export interface SectionSpec<K extends Keys = Keys> {
  readonly kind: string;
  /** `[volume NAME]`, any number of them, rather than one `[server]`. */
  readonly named: boolean;
  readonly meaning: string;
  readonly keys: K;
}

const required = <T>(type: ValueType<T>, meaning: string): RequiredKey<T> => ({
  kind: 'required',
  type,
  meaning,
});
const byDefault = <T>(type: ValueType<T>, fallback: string, meaning: string): DefaultKey<T> => ({
  kind: 'default',
  type,
  meaning,
  fallback,
});
const optional = <T>(type: ValueType<T>, unset: string, meaning: string): OptionalKey<T> => ({
  kind: 'optional',
  type,
  meaning,
  unset,
});
const list = <T>(type: ValueType<T>, meaning: string, atLeastOne = false): ListKey<T> => ({
  kind: 'list',
  type,
  meaning,
  atLeastOne,
});

const workerCount = whole(1, 256);
const workers: ValueType<number | 'auto'> = {
  words: `\`auto\` or a ${workerCount.words}`,
  parse: (text) => (text === 'auto' ? good('auto') : workerCount.parse(text)),
};

/** Whether there is such a section is seen when all have been read. */
const sectionName = (kind: string): ValueType<string> => ({
  words: `name of a \`[${kind}]\` section`,
  parse: good,
});

export const server = {
  kind: 'server',
  named: false,
  meaning: 'Where gfserve listens, and what it runs as.',
  keys: {
    listen: list(
      listenAddress,
      "Where HTTP requests are taken. `:port` is every interface, IPv6 and IPv4. In a `unix:` path `%w` becomes the worker's number; it is required unless `workers = 1`, since each worker has a socket of its own.",
      true,
    ),
    workers: byDefault(workers, 'auto', 'Number of worker processes; `auto` is one per processor.'),
    'trusted-proxies': optional(
      commaList(trustedProxy),
      'none',
      "Proxies whose word on the client's address counts, by `X-Forwarded-For` or PROXY protocol v2; `unix:` is whoever reaches a unix socket.",
    ),
    user: optional(account, 'stays what it was started as', 'Account that the workers run as.'),
    group: optional(account, "the user's own group", 'Group that the workers run as.'),
    capabilities: optional(
      commaList(capability),
      'none',
      'What the workers may do beyond what every user may. `net_bind_service`: use ports below 1024, to listen on them, and to reach volumes with `server.allow-insecure off`. As root it is kept over the change to `user`; without root it must be there already, as by `AmbientCapabilities=` of systemd.',
    ),
    'pid-file': optional(
      localPath,
      'none',
      "File that the supervisor's process number is written to; `gfserve reload` looks there. Can't be changed by a reload.",
    ),
  },
} as const satisfies SectionSpec;

export const admin = {
  kind: 'admin',
  named: false,
  meaning: 'The listener for people and Prometheus, apart from the one for clients.',
  keys: {
    listen: optional(
      listenAddress,
      'no admin listener',
      'Where `/status`, `/metrics`, `/healthz` and `/readyz` are answered.',
    ),
  },
} as const satisfies SectionSpec;

export const log = {
  kind: 'log',
  named: false,
  meaning: 'What is logged, and where.',
  keys: {
    access: byDefault(accessLog, 'stdout', 'Where the access log goes.'),
    format: byDefault(oneOf('combined', 'json'), 'combined', 'How an access log line is written.'),
    level: byDefault(
      oneOf('debug', 'info', 'warn', 'error'),
      'info',
      'The least important messages that are still logged.',
    ),
  },
} as const satisfies SectionSpec;

export const limits = {
  kind: 'limits',
  named: false,
  meaning: 'How long and how much, before gfserve gives up.',
  keys: {
    'request-timeout': byDefault(
      time('1ms', '1h'),
      '10s',
      'From the request to the first byte of its answer; then 504.',
    ),
    'send-timeout': byDefault(
      time('1ms', '24h'),
      '60s',
      'How long a client may take nothing of its answer before its connection is closed.',
    ),
    'drain-timeout': byDefault(
      time('0', '24h'),
      '30s',
      'How long a stop or a reload waits for what is under way; `0` does not wait.',
    ),
    'max-header-size': byDefault(size('1K', '1M'), '16K', 'Longest head of a request; then 431.'),
    'max-queue': byDefault(
      whole(1, 1_000_000),
      '1024',
      'Jobs that may wait per volume, in each worker; then 503.',
    ),
  },
} as const satisfies SectionSpec;

export const cache = {
  kind: 'cache',
  named: false,
  meaning:
    'The memory cache. Files in it are served without asking the volume, and never longer than these keys say after they have changed.',
  keys: {
    size: byDefault(
      size('0', '1024G'),
      '256M',
      'Memory for files, of all workers together: each has its share. `0` turns the cache off.',
    ),
    'max-object': byDefault(
      size('1', '1G'),
      '2M',
      "Largest file that is kept whole. Of larger ones the parts are kept that several requests wanted, in up to half of the worker's share.",
    ),
    valid: byDefault(
      time('0', '24h'),
      '1s',
      'How long a file is served without asking the volume whether it has changed. Volumes that send invalidations make changes visible at once, so it may be minutes there.',
    ),
    negative: byDefault(
      time('0', '24h'),
      '1s',
      'How long it is remembered that there is no such file.',
    ),
    'stale-if-error': byDefault(
      time('0', '720h'),
      '10m',
      'How long after the last check a copy may still be served while its volume is down or does not answer.',
    ),
  },
} as const satisfies SectionSpec;

export const volume = {
  kind: 'volume',
  named: true,
  meaning: 'A GlusterFS volume. `NAME` is what mounts, logs and metrics call it.',
  keys: {
    servers: optional(
      commaList(volfileServer),
      'none; then `volfile`',
      "Servers asked for the volume's layout, one after the other; the port is 24007 where none or 0 is given.",
    ),
    volfile: optional(
      localPath,
      'none; then `servers`',
      "File with the volume's layout, instead of `servers`.",
    ),
    volname: optional(
      volumeName,
      "the section's name",
      "The volume's name on the cluster, where it differs.",
    ),
    threads: byDefault(whole(1, 64), '8', 'Threads that wait for the volume, in each worker.'),
    'ping-timeout': byDefault(
      seconds('3s', '2027s'),
      '10s',
      'After how long a silent brick is given up at the latest. GlusterFS by itself takes 42 s to 84 s.',
    ),
    invalidate: byDefault(
      oneOf('upcall', 'off'),
      'upcall',
      "Whether the bricks' word that something has changed ends what the cache knows of it. It takes `features.cache-invalidation on` on the volume; without, `valid` alone counts.",
    ),
    'xlator-option': list(
      xlatorOption,
      'An option for the xlators whose names match, such as `*-client-*.frame-timeout=600`. What stands behind the last dot before the `=` is the option.',
    ),
    required: byDefault(
      oneOf('yes', 'no'),
      'yes',
      'Whether `/readyz` says no while the volume is not connected. `no` for one whose loss must not take the mounts of the others away from a load balancer.',
    ),
    'log-file': optional(localPath, 'not written', 'File for what libgfapi itself logs.'),
    'log-level': byDefault(
      oneOf('critical', 'error', 'warning', 'info', 'debug', 'trace'),
      'warning',
      'The least important messages that go to `log-file`.',
    ),
  },
} as const satisfies SectionSpec;

export const mount = {
  kind: 'mount',
  named: true,
  meaning: 'A URL path and what is served there. `NAME` is what logs and metrics call it.',
  keys: {
    path: required(
      urlPath,
      'The mount takes this path and all below it; the longest path wins. Written decoded.',
    ),
    host: optional(
      commaList(hostPattern),
      'every host',
      'Hosts that the mount is for, compared without port and case.',
    ),
    volume: required(sectionName('volume'), 'The volume that is served.'),
    root: byDefault(volumePath, '/', 'The directory in the volume that `path` stands for.'),
    index: byDefault(
      commaList(indexName),
      'index.html',
      'Files served for a directory: the first that exists.',
    ),
    autoindex: byDefault(
      oneOf('off', 'html', 'json'),
      'off',
      'How a directory is listed that has no index; off is 403.',
    ),
    precompressed: optional(
      commaList(oneOf('br', 'zstd', 'gzip')),
      'none',
      'Serves `.br`, `.zst` and `.gz` files that stand beside the one asked for, to clients that take them; the first here wins where a client likes several equally.',
    ),
    compress: optional(
      commaList(oneOf('br', 'gzip')),
      'none',
      'Compresses files for clients that take it, once for each version of a file, and keeps the result in the cache; the first here wins where a client likes several equally. It takes a cache, and only what that keeps whole (`max-object`) is compressed.',
    ),
    'compress-types': byDefault(
      commaList(mediaRange),
      'text/*, application/javascript, application/json, application/xml, application/*+json, application/*+xml, application/wasm, application/sql, application/rtf, application/toml, application/vnd.ms-fontobject, font/otf, font/ttf, image/svg+xml, image/bmp, image/x-icon, image/vnd.microsoft.icon',
      'Media types that are compressed.',
    ),
    'compress-min-size': byDefault(size('0', '1G'), '1K', 'Smallest file that is compressed.'),
    fallback: optional(
      rootFile,
      'none; then 404',
      'File served with 200 where there is none, for single-page applications.',
    ),
    symlinks: byDefault(
      oneOf('deny', 'inside', 'follow'),
      'inside',
      'Symbolic links: never followed, followed inside `root`, or followed in the whole volume.',
    ),
    hidden: byDefault(
      oneOf('deny', 'allow'),
      'deny',
      'Files and directories whose names begin with a dot, `.well-known` aside; denied is 404.',
    ),
    rewrite: list(
      rewriteRule,
      'Serves another path than the one asked for: the first that matches, after which routing starts again. See [Rules](#rules).',
    ),
    redirect: list(
      redirectRule,
      'Sends the client elsewhere, with status 302 unless another of 301, 303, 307 and 308 is named: the first that matches. See [Rules](#rules).',
    ),
    header: list(headerRule, 'Sets or removes a header of every answer. See [Rules](#rules).'),
    'cache-control': list(
      cacheControlRule,
      'Sets `Cache-Control` of files, by name: the first that matches. See [Rules](#rules).',
    ),
    'error-page': list(
      errorPage,
      'File sent with these statuses instead of a short text. See [Rules](#rules).',
    ),
    type: list(
      typeRule,
      'Media type by name, over the built-in one: the first that matches. See [Rules](#rules).',
    ),
    charset: optional(
      charsetName,
      'none is named',
      'Character set named with text types, JavaScript, JSON, XML and SVG.',
    ),
  },
} as const satisfies SectionSpec;

export const sections: readonly SectionSpec[] = [server, admin, log, limits, cache, volume, mount];
