import { availableParallelism } from 'node:os';
import type { admin, cache, limits, log, mount, server, Values, volume } from './schema.js';
import type {
  AdminConfig,
  CacheConfig,
  LimitsConfig,
  LogConfig,
  MountConfig,
  ServerConfig,
  VolumeConfig,
} from './types.js';

/** The configuration's names for the schema's values. */

export function toServer(values: Values<typeof server.keys>): ServerConfig {
  return {
    listen: values.listen,
    workers: values.workers === 'auto' ? availableParallelism() : values.workers,
    trustedProxies: values['trusted-proxies'] ?? [],
    user: values.user,
    group: values.group,
    capabilities: values.capabilities ?? [],
    pidFile: values['pid-file'],
  };
}

export function toAdmin(values: Values<typeof admin.keys>): AdminConfig {
  return { listen: values.listen };
}

export function toLog(values: Values<typeof log.keys>): LogConfig {
  return { access: values.access, format: values.format, level: values.level };
}

export function toLimits(values: Values<typeof limits.keys>): LimitsConfig {
  return {
    requestTimeoutMs: values['request-timeout'],
    sendTimeoutMs: values['send-timeout'],
    drainTimeoutMs: values['drain-timeout'],
    maxHeaderSize: values['max-header-size'],
    maxQueue: values['max-queue'],
  };
}

export function toCache(values: Values<typeof cache.keys>): CacheConfig {
  return {
    sizeBytes: values.size,
    maxObjectBytes: values['max-object'],
    validMs: values.valid,
    negativeMs: values.negative,
    staleIfErrorMs: values['stale-if-error'],
  };
}

export function toVolume(name: string, values: Values<typeof volume.keys>): VolumeConfig {
  return {
    name,
    volname: values.volname ?? name,
    servers: values.servers ?? [],
    volfile: values.volfile,
    threads: values.threads,
    pingTimeoutSeconds: values['ping-timeout'],
    invalidate: values.invalidate,
    required: values.required === 'yes',
    xlatorOptions: values['xlator-option'],
    logFile: values['log-file'],
    logLevel: values['log-level'],
  };
}

export function toMount(name: string, values: Values<typeof mount.keys>): MountConfig {
  return {
    name,
    path: values.path,
    hosts: values.host ?? [],
    volume: values.volume,
    root: values.root,
    index: values.index,
    autoindex: values.autoindex,
    precompressed: values.precompressed ?? [],
    compress: values.compress ?? [],
    compressTypes: values['compress-types'],
    compressMinBytes: values['compress-min-size'],
    fallback: values.fallback,
    symlinks: values.symlinks,
    hidden: values.hidden,
    rewrites: values.rewrite,
    redirects: values.redirect,
    headers: values.header,
    cacheControl: values['cache-control'],
    errorPages: values['error-page'],
    types: values.type,
    charset: values.charset,
  };
}
