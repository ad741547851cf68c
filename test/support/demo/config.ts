/** The demo's server.ini. */
import type { Ports } from './ports.js';

export interface ConfigOptions {
  readonly ports: Ports;
  /** Of the glusterds. */
  readonly addresses: readonly string[];
  readonly accessLog: string;
}

export function serverIni({ ports, addresses, accessLog }: ConfigOptions): string {
  const servers = addresses.join(', ');
  return `; gfserve of the demo. docs/config.md explains every key.

[server]
listen[] = 127.0.0.1:${ports.http}
workers = 2                     ; processes that answer requests

[admin]
listen = 127.0.0.1:${ports.admin}         ; /status, /metrics and /healthz, for people and monitoring

[log]
access = ${accessLog}

[limits]
drain-timeout = 5s              ; how long Ctrl-C waits for downloads under way

; Three copies of each file, one on every node. One server that answers is enough to connect.
[volume unbit001]
servers = ${servers}
ping-timeout = 3s               ; after which a silent brick is given up

; Each file on one node.
[volume downloads]
servers = ${servers}
ping-timeout = 3s

[mount main]
path = /
volume = unbit001
charset = utf-8
precompressed = gzip            ; style.css.gz is sent for style.css to whoever takes gzip
cache-control[] = "*.png public, max-age=3600"
redirect[] = "^/download$ /files/large.bin"
header[] = "X-Content-Type-Options: nosniff"

; The same pictures, as a folder to look through.
[mount browse]
path = /browse
volume = unbit001
charset = utf-8
index = none                    ; so that every folder is listed
autoindex = html

[mount foo]
path = /foo                     ; takes /foo and all below it
volume = downloads
charset = utf-8
`;
}
