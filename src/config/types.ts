/** Where a listener waits. `text` is what the configuration says, for logs and messages. */
export type ListenAddress =
  | {
      readonly kind: 'tcp';
      /**
       * A name, an IPv4 address, or an IPv6 address without its brackets. Empty for `:port`, that is every interface:
       * both uWebSockets.js and node:net take '' for "IPv6 and IPv4 where there is IPv6, else IPv4".
       */
      readonly host: string;
      /** 1 to 65535. */
      readonly port: number;
      readonly text: string;
    }
  | {
      readonly kind: 'unix';
      /** Absolute. `%w` in it stands for the worker's number; it is there whenever several workers may run. */
      readonly path: string;
      readonly text: string;
    };

/** Of capabilities(7), without its CAP_ and in lower case. */
export type Capability = 'net_bind_service';

export interface ServerConfig {
  readonly listen: readonly ListenAddress[];
  /** Number of worker processes, `auto` already resolved. At least 1. */
  readonly workers: number;
  /** Addresses, CIDR blocks, and `unix:` for peers on unix sockets; in lower case. */
  readonly trustedProxies: readonly string[];
  readonly user: string | null;
  readonly group: string | null;
  /** What the workers keep when they become `user`. */
  readonly capabilities: readonly Capability[];
  readonly pidFile: string | null;
}

export interface AdminConfig {
  /** null: no admin listener. */
  readonly listen: ListenAddress | null;
}

export type AccessLog =
  | { readonly kind: 'stdout' }
  | { readonly kind: 'off' }
  | { readonly kind: 'file'; readonly path: string };

export interface LogConfig {
  readonly access: AccessLog;
  readonly format: 'combined' | 'json';
  readonly level: 'debug' | 'info' | 'warn' | 'error';
}

export interface LimitsConfig {
  /** From the request to the first byte of its answer. */
  readonly requestTimeoutMs: number;
  /** Without any progress in sending. */
  readonly sendTimeoutMs: number;
  /** How long a stop waits for what is under way; 0 means not at all. */
  readonly drainTimeoutMs: number;
  /** Bytes. */
  readonly maxHeaderSize: number;
  /** Jobs that may wait per volume and worker. */
  readonly maxQueue: number;
}

export interface CacheConfig {
  /** Of all workers together; 0: there is no cache. */
  readonly sizeBytes: number;
  readonly maxObjectBytes: number;
  readonly validMs: number;
  readonly negativeMs: number;
  readonly staleIfErrorMs: number;
}

export type VolfileServer =
  | {
      readonly transport: 'tcp';
      readonly host: string;
      readonly port: number;
      readonly text: string;
    }
  | { readonly transport: 'unix'; readonly path: string; readonly text: string };

/** The names of the levels that glfs_set_logging() knows and that are of use. */
export type GfapiLogLevel = 'critical' | 'error' | 'warning' | 'info' | 'debug' | 'trace';

/** One argument triple of glfs_set_xlator_option(). */
export interface XlatorOption {
  readonly xlator: string;
  readonly key: string;
  readonly value: string;
}

export interface VolumeConfig {
  /** The section's name: how mounts, logs and metrics call it. */
  readonly name: string;
  /** The volume's name on the cluster. */
  readonly volname: string;
  /** Empty if and only if `volfile` is set. */
  readonly servers: readonly VolfileServer[];
  readonly volfile: string | null;
  /** 1 to 64. */
  readonly threads: number;
  readonly pingTimeoutSeconds: number;
  readonly invalidate: 'upcall' | 'off';
  /** Whether the server is not ready without it. */
  readonly required: boolean;
  readonly xlatorOptions: readonly XlatorOption[];
  readonly logFile: string | null;
  readonly logLevel: GfapiLogLevel;
}

/** A precompressed sibling's coding, by the name that the configuration has for it. */
export type Precompressed = 'br' | 'zstd' | 'gzip';

/** What gfserve can compress into itself. */
export type Compression = 'br' | 'gzip';

export type RedirectStatus = 301 | 302 | 303 | 307 | 308;

/** Patterns, targets and globs stay texts here: a configuration travels between processes. Each is known to be right. */
export interface RewriteRule {
  readonly pattern: string;
  /** A path with `$1`, `$uri` and the like, or `-`: none. */
  readonly target: string;
}

export interface RedirectRule extends RewriteRule {
  readonly status: RedirectStatus;
}

export interface HeaderRule {
  readonly name: string;
  /** Printable ASCII; '' removes the header. */
  readonly value: string;
}

export interface CacheControlRule {
  readonly glob: string;
  readonly value: string;
}

export interface TypeRule {
  /** An extension stands here as `*.extension`. */
  readonly glob: string;
  readonly type: string;
}

export interface ErrorPage {
  readonly statuses: readonly number[];
  /** Below the mount's `root`. */
  readonly path: string;
}

export interface MountConfig {
  readonly name: string;
  /** Decoded and normalised: `/`, or begins with a slash and does not end with one. */
  readonly path: string;
  /** Lower case, `example.org` or `*.example.org`; empty: every host. */
  readonly hosts: readonly string[];
  /** The `name` of a VolumeConfig. */
  readonly volume: string;
  /** In the same form as `path`. */
  readonly root: string;
  readonly index: readonly string[];
  readonly autoindex: 'off' | 'html' | 'json';
  /** Best first, where the client likes several equally. */
  readonly precompressed: readonly Precompressed[];
  /** The same; empty: nothing is compressed. */
  readonly compress: readonly Compression[];
  /** Media types in lower case, with `*` for any characters but the slash. */
  readonly compressTypes: readonly string[];
  readonly compressMinBytes: number;
  /** A file below `root`, or null. */
  readonly fallback: string | null;
  readonly symlinks: 'deny' | 'inside' | 'follow';
  readonly hidden: 'deny' | 'allow';
  readonly rewrites: readonly RewriteRule[];
  readonly redirects: readonly RedirectRule[];
  /** A name may be set several times: a line each. None is both set and removed. */
  readonly headers: readonly HeaderRule[];
  readonly cacheControl: readonly CacheControlRule[];
  /** No status is in two of them. */
  readonly errorPages: readonly ErrorPage[];
  readonly types: readonly TypeRule[];
  readonly charset: string | null;
}

/** Deeply frozen. */
export interface Config {
  /** The path that was loaded, as it was given. */
  readonly file: string;
  readonly server: ServerConfig;
  readonly admin: AdminConfig;
  readonly log: LogConfig;
  readonly limits: LimitsConfig;
  readonly cache: CacheConfig;
  readonly volumes: readonly VolumeConfig[];
  readonly mounts: readonly MountConfig[];
  /** What is allowed and yet most likely a mistake; formatted like errors. */
  readonly warnings: readonly string[];
}

export interface ConfigError {
  readonly file: string;
  readonly line: number | null;
  /** What stands between the brackets, such as `volume a`. */
  readonly section: string | null;
  readonly key: string | null;
  readonly message: string;
}

export type LoadResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly errors: readonly ConfigError[] };

/** For example `server.ini:12: [volume a] threads: "x" is not a whole number between 1 and 64`. */
export function formatConfigError(error: ConfigError): string {
  const place = error.line === null ? error.file : `${error.file}:${error.line}`;
  const where = [error.section === null ? '' : `[${error.section}]`, error.key ?? '']
    .filter((part) => part !== '')
    .join(' ');
  return where === '' ? `${place}: ${error.message}` : `${place}: ${where}: ${error.message}`;
}
