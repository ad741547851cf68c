/** A real Prometheus that scrapes one target every three seconds, and Debian's promtool. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './gfserve.js';
import { freePort } from './ports.js';

/** Tests run from dist/test. */
export const conf = (name: string): string =>
  fileURLToPath(new URL(`../../../conf/${name}`, import.meta.url));

/** Runs promtool. `output` is all that it says. */
export function promtool(
  args: readonly string[],
  input = '',
): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, {
    encoding: 'utf8',
    input,
  });
  if (error) throw error;
  return { status, output: `${stdout}${stderr}` };
}

/** A series and its value, as the HTTP API gives it. */
export interface Point {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Answer<T> {
  readonly status: string;
  readonly error?: string;
  readonly data: T;
}

export class Prometheus {
  readonly #exited: Promise<void>;
  #output = '';

  private constructor(
    private readonly child: ChildProcess,
    private readonly dir: string,
    readonly port: number,
  ) {
    const collect = (data: Buffer): void => {
      this.#output += data.toString();
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    this.#exited = new Promise((resolve) => child.once('close', () => resolve()));
  }

  /** With the alerts of conf/alerts.yml. Resolves when it answers. */
  static async start(target: string): Promise<Prometheus> {
    const dir = await mkdtemp(join(tmpdir(), 'gfserve-prometheus-'));
    const port = await freePort();
    await copyFile(conf('alerts.yml'), join(dir, 'alerts.yml'));
    await writeFile(
      join(dir, 'prometheus.yml'),
      `
global: { scrape_interval: 3s, scrape_timeout: 3s, evaluation_interval: 3s }
rule_files: [alerts.yml]
scrape_configs:
  - job_name: gfserve
    static_configs: [{ targets: ['${target}'] }]
`,
    );
    const child = spawn(
      'prometheus',
      [
        `--config.file=${join(dir, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(dir, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=warn',
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const prometheus = new Prometheus(child, dir, port);
    let gone = false;
    void prometheus.#exited.then(() => {
      gone = true;
    });
    await until('Prometheus answers', 30_000, async () => {
      if (gone) throw new Error(`Prometheus ended at start:\n${prometheus.#output}`);
      return (await fetch(prometheus.#url('/-/ready')).catch(() => null))?.status === 200;
    });
    return prometheus;
  }

  /** What it has complained of. */
  get output(): string {
    return this.#output;
  }

  /** Any path of its HTTP API; throws what it says of an error. */
  async ask<T>(path: string): Promise<T> {
    const answer = (await (await fetch(this.#url(path))).json()) as Answer<T>;
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  }

  /** The instant vector that an expression gives now. */
  async query(expression: string): Promise<Point[]> {
    interface Vector {
      readonly result: readonly {
        readonly metric: Readonly<Record<string, string>>;
        readonly value: readonly [number, string];
      }[];
    }
    const path = `/api/v1/query?query=${encodeURIComponent(expression)}`;
    const { result } = await this.ask<Vector>(path);
    return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
  }

  /** The one number that an expression gives; null: none. */
  async number(expression: string): Promise<number | null> {
    const points = await this.query(expression);
    if (points.length > 1) throw new Error(`${expression} gives ${points.length} series`);
    return points[0]?.value ?? null;
  }

  /** Two scrapes that began after now are in. */
  async scraped(): Promise<void> {
    const since = Date.now() / 1000;
    const samples = 'count_over_time(up{job="gfserve"}[1h])';
    const now = async (): Promise<number> => (await this.number(samples)) ?? 0;
    const before = await now();
    await until('it has scraped again', 30_000, async () => {
      const last = (await this.number('timestamp(up{job="gfserve"})')) ?? 0;
      return last > since && (await now()) >= before + 2;
    });
  }

  /** SIGTERM, and its folder gone. */
  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    await this.#exited;
    clearTimeout(timer);
    await rm(this.dir, { recursive: true, force: true });
  }

  #url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }
}
