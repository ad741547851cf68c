/** nginx over a FUSE mount, one worker: what most people have today. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Daemon, freePort, isInstalled } from './daemon.js';
import { type Ground, httpPeer, type Peer, type PeerKind } from './peer.js';

/** The usual recommendation for many small files. */
const FILE_CACHE = `open_file_cache max=200000 inactive=60s;
  open_file_cache_valid 1s;
  open_file_cache_errors on;`;

/** The FUSE client of the volume, by the pid file that it was started with. */
async function fuseClient(mount: string): Promise<number> {
  return Number((await readFile(`${mount}.pid`, 'utf8')).trim());
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
events { worker_connections 4096; }
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

async function startWith(ground: Ground, name: string, extra: string): Promise<Peer> {
  const mount = await ground.cluster.mount(ground.volume);
  const { workDir } = ground;
  const daemon = await startNginx({ workDir, name, http: extra, server: `root ${mount};` });
  const words = extra === '' ? '' : `; ${extra.replace(/\s+/g, ' ')}`;
  return httpPeer(daemon, `FUSE mount (the kernel caches content), one process, sendfile${words}`, [
    await fuseClient(mount),
  ]);
}

export const missing = (): string | null =>
  isInstalled('nginx') ? null : 'nginx is not installed';

export const nginxFuse: PeerKind = {
  title: 'nginx over a FUSE mount, one worker',
  missing,
  start: (ground) => startWith(ground, 'nginx-fuse', ''),
};

export const nginxFuseCache: PeerKind = {
  title: 'the same with open_file_cache, valid for 1 s',
  missing,
  start: (ground) => startWith(ground, 'nginx-fuse-cache', FILE_CACHE),
};
