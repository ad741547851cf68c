/**
 * Runs Debian's nginx with a committed configuration, conf/nginx.conf or nginx-cluster.conf, in front of a gfserve of a test. Only where things are is
 * changed: addresses, ports, sockets, logs, the pid file and nginx's folders for temporary files. All else, down to the
 * user that its workers run as, is what the project recommends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { get } from './client.js';
import { until } from './gfserve.js';
import { freePort } from './ports.js';

const read = (name: string): Promise<string> =>
  readFile(fileURLToPath(new URL(`../../../conf/${name}`, import.meta.url)), 'utf8');

export type UpstreamKind = 'tcp' | 'unix';

export interface NginxOptions {
  readonly upstream: UpstreamKind;
  /** Where gfserve listens on 127.0.0.1. */
  readonly port: number;
  /** The folder of gfserve's `worker-%w.sock`. */
  readonly sockets: string;
  /** Takes this out of the configuration, to show what it is good for. */
  readonly without?: string;
}

/** A request as nginx saw it. */
export interface ProxiedRequest {
  /** nginx numbers all its connections, those to upstreams too. */
  readonly connection: number;
  readonly status: number;
  readonly uri: string;
  /** One for each upstream that was tried; none when nginx answered by itself. */
  readonly upstreamStatuses: readonly string[];
}

/** Replaces the one occurrence: a line that has gone from the configuration must not go unnoticed. */
function replaceOne(text: string, from: string, to: string): string {
  const parts = text.split(from);
  if (parts.length !== 2) throw new Error(`conf/nginx.conf has not exactly one "${from}"`);
  return parts.join(to);
}

function rewrite(conf: string, dir: string, listen: number, options: NginxOptions): string {
  const places = placesIn(dir, listen);
  places.push(
    ['unix:/run/gfserve/worker-1.sock ', `unix:${options.sockets}/worker-1.sock `],
    ['unix:/run/gfserve/worker-2.sock ', `unix:${options.sockets}/worker-2.sock `],
  );
  if (options.without !== undefined) places.push([`\n            ${options.without}`, '']);
  if (options.upstream === 'unix') {
    places.push(['proxy_pass http://gfserve;', 'proxy_pass http://gfserve_unix;']);
  }
  const rewritten = places.reduce((text, [from, to]) => replaceOne(text, from, to), conf);
  return rewritten.replace(/server 127\.0\.0\.1:8080\b/g, `server 127.0.0.1:${options.port}`);
}

/** conf/nginx-cluster.conf, with a gfserve on each of these two ports. */
function rewriteCluster(
  conf: string,
  dir: string,
  listen: number,
  ports: [number, number],
): string {
  const places = placesIn(dir, listen);
  places.push(
    ['192.0.2.11:8080', `127.0.0.1:${ports[0]}`],
    ['192.0.2.12:8080', `127.0.0.1:${ports[1]}`],
  );
  return places.reduce((text, [from, to]) => replaceOne(text, from, to), conf);
}

/** Where things are. */
function placesIn(dir: string, listen: number): [string, string][] {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${dir}/${name};`,
  );
  const format = `log_format test '$connection $status "$upstream_status" $request';`;
  return [
    ['pid /run/nginx.pid;', `pid ${dir}/nginx.pid;`],
    ['\nhttp {', ['\nhttp {', ...temporary, format].join('\n')],
    ['/var/log/nginx/access.log;', `${dir}/access.log test;`],
    ['/var/log/nginx/error.log;', `${dir}/error.log;`],
    ['listen 80;', `listen 127.0.0.1:${listen};`],
  ];
}

export class Nginx {
  readonly #exited: Promise<void>;
  #output = '';

  private constructor(
    private readonly child: ChildProcess,
    private readonly dir: string,
    readonly port: number,
  ) {
    child.stderr?.on('data', (data: Buffer) => {
      this.#output += data.toString('utf8');
    });
    this.#exited = new Promise((resolve) => {
      child.on('error', (error) => {
        this.#output += String(error);
        resolve();
      });
      child.on('exit', () => resolve());
    });
  }

  /** Starts it and waits until it answers; gfserve need not run yet. */
  static start(options: NginxOptions): Promise<Nginx> {
    return Nginx.#start('nginx.conf', (text, dir, listen) => rewrite(text, dir, listen, options));
  }

  /** The same with conf/nginx-cluster.conf, in front of two. */
  static startCluster(ports: [number, number]): Promise<Nginx> {
    return Nginx.#start('nginx-cluster.conf', (text, dir, listen) =>
      rewriteCluster(text, dir, listen, ports),
    );
  }

  static async #start(
    name: string,
    adapt: (text: string, dir: string, listen: number) => string,
  ): Promise<Nginx> {
    const dir = await mkdtemp(join(tmpdir(), 'gfserve-nginx-'));
    // The workers are another user's, and reach their folders through this one.
    await chmod(dir, 0o755);
    const port = await freePort();
    const conf = join(dir, 'nginx.conf');
    await writeFile(conf, adapt(await read(name), dir, port));
    const args = ['-p', dir, '-e', join(dir, 'error.log'), '-c', conf, '-g', 'daemon off;'];
    const child = spawn('nginx', args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` },
    });
    const nginx = new Nginx(child, dir, port);
    try {
      await nginx.#ready();
    } catch (error) {
      await nginx.stop();
      throw error;
    }
    return nginx;
  }

  async #ready(): Promise<void> {
    let gone = false;
    void this.#exited.then(() => {
      gone = true;
    });
    await until('nginx has workers', 15_000, () => gone || this.workers().length > 0);
    if (gone) throw new Error(`nginx ended at start:\n${this.#output}\n${this.errors()}`);
  }

  /** The process numbers of its workers. */
  workers(): number[] {
    const { pid } = this.child;
    if (pid === undefined) return [];
    try {
      const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
      return text === '' ? [] : text.split(' ').map(Number);
    } catch {
      return []; // it has ended
    }
  }

  /**
   * Bytes that its workers have taken from gfserve. nginx reads from upstreams by readv, which the kernel counts here,
   * and from clients by recv, which it does not.
   */
  bytesFromUpstream(): number {
    return this.workers()
      .map((pid) => Number(/^rchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]))
      .reduce((sum, bytes) => sum + bytes, 0);
  }

  /** What it has logged as answered; the line of the newest answer may come a moment after the answer itself. */
  requests(): ProxiedRequest[] {
    const text = readFileSync(join(this.dir, 'access.log'), 'latin1');
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const [, connection, status, upstream = '', uri = ''] =
          /^(\d+) (\d+) "([^"]*)" \S+ (\S+)/.exec(line) ?? [];
        return {
          connection: Number(connection),
          status: Number(status),
          uri,
          upstreamStatuses: upstream === '-' ? [] : upstream.split(/[ ,:]+/),
        };
      });
  }

  /** The first logged request for `uri`, as soon as it is logged. */
  async logged(uri: string): Promise<ProxiedRequest> {
    const find = (): ProxiedRequest | undefined =>
      this.requests().find((request) => request.uri === uri);
    await until(`nginx has logged ${uri}`, 10_000, () => find() !== undefined);
    const found = find();
    if (!found) throw new Error(`${uri} has gone from nginx's log`);
    return found;
  }

  /**
   * How many connections it opens to gfserve while `act` runs: it numbers those and its clients' in one row. `probe` is a
   * path to ask for, which must be another one each time.
   */
  async connectionsOpened(probe: string, act: () => Promise<void>): Promise<number> {
    const next = async (uri: string): Promise<number> => {
      await get(this.port, uri);
      return (await this.logged(uri)).connection;
    };
    const first = await next(`${probe}-before`);
    await act();
    const last = await next(`${probe}-after`);
    const clients = this.requests().map(({ connection }) => connection);
    const between = new Set(clients.filter((number) => number > first && number <= last));
    return last - first - between.size;
  }

  errors(): string {
    try {
      return readFileSync(join(this.dir, 'error.log'), 'utf8');
    } catch {
      return '';
    }
  }

  /** SIGTERM, and its folder gone. */
  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    await this.#exited;
    clearTimeout(timer);
    await rm(this.dir, { recursive: true, force: true });
  }
}
