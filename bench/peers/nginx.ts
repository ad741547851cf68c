/** nginx, one worker: over a FUSE mount, which is what most people have today; and from a local disk, to be measured by. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../test/support/cluster/exec.js';
import { freePort } from '../../test/support/ports.js';
import { DESCRIPTORS, isInstalled } from '../programs.js';
import { compile } from './compile.js';
import { Daemon } from './daemon.js';
import { type Helper, HttpPeer } from './http_peer.js';
import { type Ground, type Peer, type PeerKind, SERVER } from './peer.js';

/** For what isn't a kept file. */
const SPARE_DESCRIPTORS = 1000;

/** The usual recommendation for many small files; stale for as long as gfserve's cache. */
const FILE_CACHE = `open_file_cache max=${Math.min(200_000, DESCRIPTORS - SPARE_DESCRIPTORS)} inactive=60s;
  open_file_cache_valid 1s;
  open_file_cache_errors on;`;

interface FuseClient extends Helper {
  /** The mount point. */
  readonly root: string;
}

/** A mount of its own, as the opens of one nginx are answered in another way where another one keeps the same file open. */
async function fuseClient(ground: Ground, as: string): Promise<FuseClient> {
  const { cluster, volume, workDir } = ground;
  const mount = (): Promise<string> => cluster.mount(volume, as);
  const root = await mount();
  const program = await compile('forget', workDir);
  return {
    root,
    pids: async () => [Number((await readFile(`${root}.pid`, 'utf8')).trim())],
    forget: async (paths) => {
      const list = join(workDir, `${as}.list`);
      await writeFile(list, paths.map((path) => `${root}${path}\n`).join(''));
      await run([program, list]);
    },
    renew: async () => {
      // The kernel's pages go with it.
      await cluster.unmount(as);
      await mount();
    },
  };
}

/** What an nginx is started with. */
export interface NginxOptions {
  readonly workDir: string;
  readonly name: string;
  /** Lines of the `http` block. */
  readonly http: string;
  /** Lines of its only `server`, without `listen`. */
  readonly server: string;
}

/** Starts an nginx of one process, because that is ended by one signal to one pid, which a master without its worker isn't. */
export async function startNginx(options: NginxOptions): Promise<Daemon> {
  const { workDir, name } = options;
  const port = await freePort();
  const dir = join(workDir, name);
  await mkdir(dir, { recursive: true });
  const file = join(dir, 'nginx.conf');
  await writeFile(
    file,
    `daemon off;
master_process off;
user root;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log;
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  ${options.http}
  server {
    listen 127.0.0.1:${port};
    ${options.server}
  }
}
`,
  );
  return await Daemon.start(['nginx', '-p', dir, '-c', file], port, join(dir, 'output.log'));
}

interface Kind {
  readonly name: string;
  /** Lines of the `http` block. */
  readonly http: string;
}

async function startOver(
  ground: Ground,
  kind: Kind,
  root: string,
  from: string,
  helper?: Helper,
): Promise<Peer> {
  const { name, http } = kind;
  const daemon = await startNginx({ workDir: ground.workDir, name, http, server: `root ${root};` });
  const words = http === '' ? '' : `; ${http.replace(/\s+/g, ' ')}`;
  const setup = `${from}, one process, sendfile, tcp_nopush${words}`;
  const options = { name, daemon, setup, traits: SERVER };
  return new HttpPeer(ground, helper ? { ...options, helper } : options);
}

async function startOverFuse(ground: Ground, kind: Kind): Promise<Peer> {
  const client = await fuseClient(ground, `for-${kind.name}`);
  const from = 'FUSE mount of its own (the kernel caches content)';
  return await startOver(ground, kind, client.root, from, client);
}

export const missing = (): string | null =>
  isInstalled('nginx') ? null : 'nginx is not installed';

const missingOverFuse = (): string | null =>
  missing() ?? (isInstalled('gcc') ? null : 'there is no gcc');

export const nginxFuse: PeerKind = {
  title: 'nginx over a FUSE mount, one worker',
  traits: SERVER,
  missing: missingOverFuse,
  start: (ground) => startOverFuse(ground, { name: 'nginx-fuse', http: '' }),
};

export const nginxFuseCache: PeerKind = {
  title: 'the same with open_file_cache, valid for 1 s',
  traits: SERVER,
  missing: missingOverFuse,
  start: (ground) => startOverFuse(ground, { name: 'nginx-fuse-cache', http: FILE_CACHE }),
};

export const NGINX_LOCAL = 'nginx-local';

export const nginxLocal: PeerKind = {
  title: 'nginx with open_file_cache over a copy on the local disk',
  traits: SERVER,
  missing,
  start: (ground) => {
    const kind = { name: NGINX_LOCAL, http: FILE_CACHE };
    return startOver(ground, kind, ground.localDir, 'copy on the local disk');
  },
};
