/** Runs the real `gfserve` for tests: writes a server.ini, starts it, waits until it is ready, stops it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { WorkerStatus } from '../../src/ipc.js';
import { readFromWorker } from '../../src/ipc.js';
import { freePort } from './ports.js';
import { isAlive } from './supervised.js';

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));

/** A section: everything goes through the cache, and nothing is answered without asking the volume. */
export const NEVER_UNASKED = '[cache]\nvalid = 0\nnegative = 0\nstale-if-error = 0\n';

export interface GfserveOptions {
  /**
   * Everything but [server] and [admin]: volumes, mounts, limits. Without [cache] what is kept is compared with the volume
   * for every request.
   */
  readonly config: string;
  readonly workers?: number;
  /** Besides the tests' own. */
  readonly env?: NodeJS.ProcessEnv;
  /** Further lines of [server]. */
  readonly server?: string;
  /** A required volume can't be reached at the start, or is not to be waited for. */
  readonly lacksVolumes?: boolean;
}

/** Of what it logs: a worker is started anew at once, so that its crash may show in one lost answer only. */
const CRASH = /.*(was killed by SIG(SEGV|ABRT|BUS|ILL|FPE)|met a bug).*/;

/** For busy machines: it takes a second. */
const READY_MS = 60_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Asks `holds` every 20 ms; throws after `timeoutMs` with what it was waiting for. Returns how long it took. */
export async function until(
  what: string,
  timeoutMs: number,
  holds: () => boolean | Promise<boolean>,
): Promise<number> {
  const start = performance.now();
  while (!(await holds())) {
    if (performance.now() - start > timeoutMs)
      throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
  return performance.now() - start;
}

function iniText(options: GfserveOptions, dir: string, port: number, adminPort: number): string {
  const has = (section: string): boolean =>
    new RegExp(`^\\[${section}\\]`, 'm').test(options.config);
  return `[server]
listen[] = 127.0.0.1:${port}
workers = ${options.workers ?? 1}
pid-file = ${dir}/gfserve.pid
${options.server ?? ''}
[admin]
listen = 127.0.0.1:${adminPort}
${has('log') ? '' : '[log]\naccess = off\n'}${has('cache') ? '' : NEVER_UNASKED}${options.config}`;
}

/** How a command ended, and what it wrote. */
export interface Said {
  readonly code: number | null;
  readonly output: string;
}

/** What /status says of reloads. */
export interface ReloadCounts {
  readonly applied: number;
  readonly failed: number;
  readonly underWay: boolean;
  readonly last: { readonly outcome: string; readonly problems: readonly string[] } | null;
}

export class Gfserve {
  readonly exited: Promise<Exit>;
  #log = '';

  private constructor(
    private readonly child: ChildProcess,
    readonly dir: string,
    readonly port: number,
    readonly adminPort: number,
  ) {
    const collect = (data: Buffer): void => {
      this.#log += data.toString('utf8');
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    this.exited = new Promise((resolve) => {
      child.on('exit', (code, signal) => resolve({ code, signal }));
    });
  }

  /** Starts it without waiting. */
  static async spawn(options: GfserveOptions): Promise<Gfserve> {
    const dir = await mkdtemp(join(tmpdir(), 'gfserve-test-'));
    const port = await freePort();
    const adminPort = await freePort();
    const ini = join(dir, 'server.ini');
    await writeFile(ini, iniText(options, dir, port, adminPort));
    const child = spawn(process.execPath, [CLI, '--config', ini], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, GFSERVE_LOG_STYLE: 'text', NODE_OPTIONS: '', ...options.env },
    });
    return new Gfserve(child, dir, port, adminPort);
  }

  /** Starts it and waits until every worker answers requests, and is connected to all required volumes. */
  static async start(options: GfserveOptions): Promise<Gfserve> {
    const server = await Gfserve.spawn(options);
    await server.ready();
    if (!options.lacksVolumes) await server.connected();
    return server;
  }

  get pid(): number {
    const { pid } = this.child;
    if (pid === undefined) throw new Error('gfserve could not be started');
    return pid;
  }

  /** The one that runs: another one than that of the start after an upgrade. */
  get mainPid(): number {
    try {
      return Number(readFileSync(join(this.dir, 'gfserve.pid'), 'utf8')) || this.pid;
    } catch {
      return this.pid;
    }
  }

  /** What it has printed so far. */
  get log(): string {
    return this.#log;
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  async ready(): Promise<void> {
    let gone = false;
    void this.exited.then(() => {
      gone = true;
    });
    try {
      await until('gfserve is ready', READY_MS, () => gone || /ready: /.test(this.#log));
    } catch (error) {
      this.child.kill('SIGKILL');
      throw new Error(`${String(error)}\n${this.#log}`);
    }
    if (gone) throw new Error(`gfserve ended at start:\n${this.#log}`);
  }

  /** Connecting to a volume may take a busy machine longer than a request waits for it. */
  async connected(): Promise<void> {
    const url = `http://127.0.0.1:${this.adminPort}/readyz`;
    try {
      await until('gfserve is connected', READY_MS, async () => (await fetch(url)).status === 200);
    } catch (error) {
      this.child.kill('SIGKILL');
      throw new Error(`${String(error)}\n${this.#log}`);
    }
  }

  /** Each worker's own account, by the admin listener. */
  async workers(): Promise<WorkerStatus[]> {
    const response = await fetch(`http://127.0.0.1:${this.adminPort}/status`);
    const body = (await response.json()) as { workers: unknown[] };
    return body.workers.flatMap((worker) => {
      const message = readFromWorker({ type: 'status', id: 0, body: worker });
      return message?.type === 'status' ? [message.body] : [];
    });
  }

  /** The only worker's account. */
  async worker(): Promise<WorkerStatus> {
    const [worker] = await this.workers();
    if (!worker) throw new Error('no worker answers');
    return worker;
  }

  /** What the next reload finds, on the same ports. */
  async configure(options: GfserveOptions): Promise<void> {
    await this.write(iniText(options, this.dir, this.port, this.adminPort));
  }

  /** The configuration's file, whatever is to be in it. */
  async write(text: string): Promise<void> {
    await writeFile(join(this.dir, 'server.ini'), text);
  }

  async reloads(): Promise<ReloadCounts> {
    const response = await fetch(`http://127.0.0.1:${this.adminPort}/status`);
    return ((await response.json()) as { reloads: ReloadCounts }).reloads;
  }

  /** Reloads by SIGHUP; waits until that has ended. Not while another is under way. */
  async sighup(): Promise<NonNullable<ReloadCounts['last']>> {
    const before = await this.reloads();
    this.signal('SIGHUP');
    let now = before;
    await until('the reload has ended', 30_000, async () => {
      now = await this.reloads();
      return now.applied + now.failed > before.applied + before.failed;
    });
    if (!now.last) throw new Error('no reload has ended');
    return now.last;
  }

  /** `gfserve reload`, and what it said. */
  reload(): Promise<Said> {
    return this.command('reload');
  }

  /** `gfserve upgrade`, and what it said. */
  upgrade(): Promise<Said> {
    return this.command('upgrade');
  }

  /** A command of gfserve's with this one's file, and what it said. `signal` is sent after its first output. */
  async command(
    name: string,
    options: readonly string[] = [],
    signal: NodeJS.Signals | null = null,
  ): Promise<Said> {
    const child = spawn(
      process.execPath,
      [CLI, name, '--config', join(this.dir, 'server.ini'), ...options],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, NODE_OPTIONS: '', LC_ALL: 'C.UTF-8' },
      },
    );
    let output = '';
    const collect = (data: Buffer): void => {
      if (output === '' && signal !== null) child.kill(signal);
      output += data.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    return await new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
  }

  signal(signal: NodeJS.Signals): void {
    const pid = this.mainPid;
    if (pid === this.pid) this.child.kill(signal);
    else if (isAlive(pid)) process.kill(pid, signal);
  }

  /**
   * SIGTERM, and the files gone. Kills it when it has not ended after `timeoutMs`. Returns how the process of the start has
   * ended, which after an upgrade is another one than the last.
   */
  async stop(timeoutMs = 20_000): Promise<Exit> {
    const pid = this.mainPid;
    this.signal('SIGTERM');
    const timer = setTimeout(() => {
      this.signal('SIGKILL');
      this.child.kill('SIGKILL');
    }, timeoutMs);
    const exit = await this.exited;
    await until('the last process has ended', timeoutMs + 5_000, () => !isAlive(pid));
    clearTimeout(timer);
    await rm(this.dir, { recursive: true, force: true });
    const crash = CRASH.exec(this.#log);
    if (crash) throw new Error(`a process of gfserve crashed: ${crash[0]}\n${this.#log}`);
    return exit;
  }
}

/**
 * What the kernel says of a process. Threads are counted without the two kinds of workers that libgfapi makes and ends as
 * it likes, each up to 16 a volume: syncop processors (`glfs_sproc`) and io-threads (`glfs_iotwr`).
 */
export function processFigures(pid: number): { rss: number; threads: number; descriptors: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const tasks = readdirSync(`/proc/${pid}/task`).map((task) => {
    return readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8');
  });
  return {
    rss: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024,
    threads: tasks.filter((name) => !/^glfs_(sproc|iotwr)/.test(name)).length,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}
