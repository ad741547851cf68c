/** The demo's gfserve: starting and stopping it, and finding the one that a killed demo left. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { get } from '../client.js';
import { isAlive, kill, type Process, statOf } from '../cluster/processes.js';
import { ownIdentity } from '../cluster/state.js';
import { type Exit, until } from '../gfserve.js';

const CLI = fileURLToPath(new URL('../../../src/cli.js', import.meta.url));
/** In the environment of gfserve and its workers: the demo they belong to, as `pid:startTime`. */
const OWNER = 'GFSERVE_DEMO_OWNER';
/** Beyond gfserve's own drain-timeout, which the demo sets to 5 s. */
const STOP_TIMEOUT_MS = 12_000;

/** How a process ended, in words. */
export const describeExit = ({ code, signal }: Exit): string =>
  signal === null ? `exit status ${code ?? 'unknown'}` : `killed by ${signal}`;

/** A running gfserve. */
export class Gfserve {
  readonly #child: ChildProcess;
  #ended: Exit | null = null;
  /** Resolves when it has ended, for whatever reason. */
  readonly exit: Promise<Exit>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.exit = new Promise((resolve) => {
      const end = (exit: Exit): void => {
        this.#ended = exit;
        resolve(exit);
      };
      child.once('error', () => end({ code: null, signal: null }));
      child.once('exit', (code, signal) => end({ code, signal }));
    });
  }

  /** @param log gets gfserve's own log, line by line */
  static async start(config: string, log: (line: string) => void): Promise<Gfserve> {
    const { pid, startTime } = await ownIdentity();
    const child = spawn(process.execPath, [CLI, '--config', config], {
      cwd: dirname(config),
      // A group of its own: Ctrl-C is for the demo, which then stops gfserve in order.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        GFSERVE_LOG_STYLE: 'text',
        [OWNER]: `${pid}:${startTime}`,
      },
    });
    createInterface({ input: child.stderr }).on('line', log);
    return new Gfserve(child);
  }

  /** Of the supervisor. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** How it ended; null while it runs. */
  get ended(): Exit | null {
    return this.#ended;
  }

  /** Waits until each of the paths answers 200. @throws Error when gfserve ends, or after 30 s each */
  async ready(port: number, paths: readonly string[], stop: AbortSignal): Promise<void> {
    for (const path of paths) {
      await until(`${path} answers`, 30_000, async () => {
        stop.throwIfAborted();
        if (this.#ended) throw new Error(`gfserve ended: ${describeExit(this.#ended)}`);
        return await get(port, path, { timeoutMs: 15_000 }).then(
          ({ status }) => status === 200,
          () => false,
        );
      });
    }
  }

  /** SIGTERM, and SIGKILL if that doesn't help in time. */
  async stop(): Promise<Exit> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    const exit = await this.exit;
    clearTimeout(timer);
    return exit;
  }
}

/** Kills the gfserves, workers and all, whose demos are gone. @returns how many processes that were */
export async function killStrays(): Promise<number> {
  return await killAll(async ({ owner }) => !(await isAlive(owner)));
}

/** Kills what is left of this demo's own gfserve. @returns how many processes that were */
export async function killOwn(): Promise<number> {
  const own = await ownIdentity();
  return await killAll(
    async ({ owner }) => owner.pid === own.pid && owner.startTime === own.startTime,
  );
}

interface Marked {
  readonly process: Process;
  readonly owner: Pick<Process, 'pid' | 'startTime'>;
}

async function killAll(unwanted: (marked: Marked) => Promise<boolean>): Promise<number> {
  let killed = 0;
  // A supervisor may start one more worker before it is its turn.
  for (let round = 0; round < 5; round += 1) {
    const targets: Process[] = [];
    for (const marked of await markedProcesses()) {
      if (await unwanted(marked)) targets.push(marked.process);
    }
    if (targets.length === 0) break;
    await kill(targets);
    killed += targets.length;
  }
  return killed;
}

async function markedProcesses(): Promise<Marked[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const found = await Promise.all(pids.map(markedProcess));
  return found.filter((one) => one !== null);
}

async function markedProcess(pid: number): Promise<Marked | null> {
  const environment = await readFile(join('/proc', String(pid), 'environ'), 'utf8').catch(() => '');
  const mark = environment.split('\0').find((entry) => entry.startsWith(`${OWNER}=`));
  if (mark === undefined) return null;
  const [ownerPid, startTime] = mark
    .slice(OWNER.length + 1)
    .split(':')
    .map(Number);
  const stat = await statOf(pid);
  if (stat === null || 'ZX'.includes(stat.state)) return null;
  return {
    process: { pid, argv: [], ...stat },
    owner: { pid: ownerPid ?? 0, startTime: startTime ?? 0 },
  };
}
