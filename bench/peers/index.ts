/** All peers, by the names that the command line and the report give them. */
import { gfserve, gfserveOther } from './gfserve.js';
import { limit } from './limit.js';
import { nginxFuse, nginxFuseCache } from './nginx.js';
import type { PeerKind } from './peer.js';
import { uwsgi, uwsgiKeepalive, uwsgiRouter } from './uwsgi.js';

/** The one that the others are compared with. */
export const SUBJECT = 'gfserve';

export const PEERS: Readonly<Record<string, PeerKind>> = {
  [SUBJECT]: gfserve,
  'gfserve-other': gfserveOther,
  uwsgi,
  'uwsgi-router': uwsgiRouter,
  'uwsgi-keepalive': uwsgiKeepalive,
  'nginx-fuse': nginxFuse,
  'nginx-fuse-cache': nginxFuseCache,
  limit,
};

export const DEFAULT_PEERS: readonly string[] = [
  SUBJECT,
  'uwsgi',
  'nginx-fuse',
  'nginx-fuse-cache',
  'limit',
];
