import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Config, ConfigError } from '../../src/config/types.js';
import { mountConfig } from './mount_config.js';

const RUNNER = fileURLToPath(new URL('./run_supervisor.js', import.meta.url));

/** What a test changes of the configuration that `supervised` uses. */
export interface Changes {
  readonly server?: Partial<Config['server']>;
  readonly log?: Partial<Config['log']>;
  readonly admin?: Config['admin'];
  readonly drainTimeoutMs?: number;
}

export function testConfig({ server, log, admin, drainTimeoutMs = 5000 }: Changes = {}): Config {
  return {
    file: 'test.ini',
    server: {
      listen: [],
      workers: 2,
      trustedProxies: [],
      user: null,
      group: null,
      capabilities: [],
      pidFile: null,
      ...server,
    },
    admin: admin ?? { listen: null },
    log: { access: { kind: 'off' }, format: 'combined', level: 'debug', ...log },
    limits: {
      requestTimeoutMs: 10_000,
      sendTimeoutMs: 60_000,
      drainTimeoutMs,
      maxHeaderSize: 16_384,
      maxQueue: 1024,
    },
    cache: {
      sizeBytes: 0,
      maxObjectBytes: 1,
      validMs: 0,
      negativeMs: 0,
      staleIfErrorMs: 0,
    },
    volumes: [
      {
        name: 'a',
        volname: 'a',
        servers: [{ transport: 'tcp', host: 'b', port: 24007, text: 'b' }],
        volfile: null,
        threads: 8,
        pingTimeoutSeconds: 10,
        invalidate: 'upcall',
        required: true,
        xlatorOptions: [],
        logFile: null,
        logLevel: 'warning',
      },
    ],
    mounts: [mountConfig({ name: 'main', hosts: ['example.org'], volume: 'a', root: '/htdocs' })],
    warnings: [],
  };
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Polls until it holds; throws after `ms`. */
export async function until(what: string, holds: () => boolean, ms = 20_000): Promise<void> {
  const end = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`timed out: ${what}`);
    await sleep(10);
  }
}

/** A supervisor with fake workers in a process of its own. */
export class Supervised {
  readonly folder = mkdtempSync(join(tmpdir(), 'gfserve-test-'));
  readonly exit: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** All that it and its workers have written. */
  stdout = '';
  stderr = '';

  readonly #child: ChildProcess;

  constructor(config: Config, mode = 'ok', readyMs = 60_000) {
    this.setMode(mode);
    this.configure(config);
    this.#child = spawn(process.execPath, [RUNNER, this.#file, String(readyMs)], {
      env: { ...process.env, NODE_OPTIONS: '', FAKE_WORKER_MODE: join(this.folder, 'mode') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.on('data', (bytes: Buffer) => {
      this.stdout += bytes.toString();
    });
    this.#child.stderr?.on('data', (bytes: Buffer) => {
      this.stderr += bytes.toString();
    });
    // 'close' comes after the last byte.
    this.exit = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get #file(): string {
    return join(this.folder, 'config.json');
  }

  /** What the next reload finds. */
  configure(config: Config): void {
    writeFileSync(this.#file, JSON.stringify({ ok: true, config }));
  }

  /** The next reload finds a file with these errors. */
  spoil(...errors: ConfigError[]): void {
    writeFileSync(this.#file, JSON.stringify({ ok: false, errors }));
  }

  /** For the workers that start from now on. */
  setMode(mode: string): void {
    writeFileSync(join(this.folder, 'mode'), mode);
  }

  /** The pids that the worker of this number has had, in order. */
  pids(number: number): number[] {
    return [...this.stdout.matchAll(new RegExp(`^ready ${number} (\\d+)$`, 'gm'))].map(([, pid]) =>
      Number(pid),
    );
  }

  /** Resolves when stderr matches. */
  async says(pattern: RegExp): Promise<void> {
    await until(`${pattern}`, () => pattern.test(this.stderr)).catch((error: unknown) => {
      throw new Error(`${String(error)} in:\n${this.stderr}\n${this.stdout}`);
    });
  }

  /** All workers are ready. */
  async ready(): Promise<this> {
    await this.says(/ready: \d+ workers? in \d+ ms/);
    await until('the workers say so', () => this.pids(1).length > 0 && this.pids(2).length > 0);
    return this;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends what is left of it. */
  async clean(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exit;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
