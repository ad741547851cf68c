import type { MountConfig } from '../../src/config/types.js';

/** A mount at `/` with every default, but for what a test is about. */
export function mountConfig(changes: Partial<MountConfig> = {}): MountConfig {
  return {
    name: 'm',
    path: '/',
    hosts: [],
    volume: 'v',
    root: '/',
    index: ['index.html'],
    autoindex: 'off',
    precompressed: [],
    compress: [],
    compressTypes: ['text/*', 'application/json', 'application/*+json'],
    compressMinBytes: 1024,
    fallback: null,
    symlinks: 'inside',
    hidden: 'deny',
    rewrites: [],
    redirects: [],
    headers: [],
    cacheControl: [],
    errorPages: [],
    types: [],
    charset: null,
    ...changes,
  };
}
