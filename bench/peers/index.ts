/** All peers, by the names that the command line and the report give them. */
import { floor } from './floor.js';
import { gfserve, gfserveLog, gfserveNocache, gfserveOther } from './gfserve.js';
import { limit } from './limit.js';
import { NGINX_LOCAL, nginxFuse, nginxFuseCache, nginxLocal } from './nginx.js';
import type { PeerKind } from './peer.js';
import { uwsgi, uwsgiKeepalive, uwsgiRouter } from './uwsgi.js';

/** The ones that the others are compared with. */
export const SUBJECT = 'gfserve';
/** Where it is about what comes from the volume. */
export const COLD_SUBJECT = 'gfserve-nocache';

export const PEERS: Readonly<Record<string, PeerKind>> = {
  [SUBJECT]: gfserve,
  [COLD_SUBJECT]: gfserveNocache,
  'gfserve-log': gfserveLog,
  'gfserve-other': gfserveOther,
  uwsgi,
  'uwsgi-router': uwsgiRouter,
  'uwsgi-keepalive': uwsgiKeepalive,
  'nginx-fuse': nginxFuse,
  'nginx-fuse-cache': nginxFuseCache,
  [NGINX_LOCAL]: nginxLocal,
  limit,
  floor,
};

export const DEFAULT_PEERS: readonly string[] = [
  SUBJECT,
  COLD_SUBJECT,
  'uwsgi',
  'nginx-fuse',
  'nginx-fuse-cache',
  NGINX_LOCAL,
  'limit',
];
