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

export interface ServerConfig {
  readonly listen: readonly ListenAddress[];
  /** Number of worker processes, `auto` already resolved. At least 1. */
  readonly workers: number;
  readonly user: string | null;
  readonly group: string | null;
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
  readonly xlatorOptions: readonly XlatorOption[];
  readonly logFile: string | null;
  readonly logLevel: GfapiLogLevel;
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
  readonly symlinks: 'deny' | 'inside' | 'follow';
  readonly hidden: 'deny' | 'allow';
  /** Extension in lower case and without its dot. */
  readonly types: readonly { readonly extension: string; readonly type: string }[];
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
