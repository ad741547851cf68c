/** The limit that libgfapi sets: a C program that does nothing but read the same files. See limit.c. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../test/support/cluster/exec.js';
import { Child } from '../child.js';
import type { Load, Task, Timing } from '../load/load.js';
import { firstFile, type Plan } from '../load/plan.js';
import { isInstalled } from '../programs.js';
import { compile } from './compile.js';
import { type Ground, type Peer, type PeerKind, SERVER } from './peer.js';

/** More than any run lasts beyond its time. */
const ANSWER_MS = 120_000;

interface Answer {
  readonly requests: number;
  readonly microseconds: number;
  readonly bytes: number;
  readonly errors: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

async function compileLimit({ workDir }: Ground): Promise<string> {
  const flags = await run(['pkg-config', '--cflags', '--libs', 'glusterfs-api']);
  return await compile('limit', workDir, [...flags.trim().split(/\s+/), '-lpthread']);
}

/** The program's command for a task. */
function commandOf({ kind, plan, connections }: Task, { seconds, seed }: Timing): string {
  switch (kind) {
    case 'requests':
      return `files ${seconds} ${seed}`;
    case 'transfers':
      return `download ${seconds} ${connections} ${firstFile(plan).path}`;
    default: {
      const impossible: never = kind;
      throw new Error(`unknown work ${String(impossible)}`);
    }
  }
}

function loadOf(answer: Answer, kind: Task['kind']): Load {
  const { p50, p99, p999 } = answer;
  const latency = { p50Ms: p50 / 1000, p99Ms: p99 / 1000, p999Ms: p999 / 1000 };
  return {
    requests: answer.requests,
    seconds: answer.microseconds / 1e6,
    bytes: answer.bytes,
    errors: answer.errors,
    errorText: answer.errors === 0 ? '' : `failed reads ${answer.errors}`,
    latency: kind === 'requests' ? latency : null,
    loadCpuSeconds: 0,
  };
}

/** The paths of a plan's files. @throws Error for a plan that the program can't follow */
function pathsOf({ name, requests }: Plan, size: number): readonly string[] {
  return requests.map((request) => {
    if (request.kind !== 'whole' || request.file.size !== size) {
      throw new Error(`${name}: the limit reads whole files of one size only`);
    }
    return request.file.path;
  });
}

class Limit implements Peer {
  readonly setup = 'held handles, 8 threads; large files by 1 MiB, a thread each; no HTTP';
  readonly port = null;

  private constructor(
    private readonly start: () => Promise<Child>,
    private child: Child,
    private readonly workDir: string,
  ) {}

  static async start(ground: Ground): Promise<Limit> {
    const { cluster, volume, workDir } = ground;
    const command = [await compileLimit(ground), volume, cluster.addresses[0] ?? ''];
    const start = async (): Promise<Child> => {
      const child = new Child(command, join(workDir, 'limit.log'), ANSWER_MS);
      await child.line();
      return child;
    };
    return new Limit(start, await start(), workDir);
  }

  async pids(): Promise<readonly number[]> {
    return this.child.pids;
  }

  /** No kernel knows of its files. */
  async forget(): Promise<void> {}

  async renew(task: Task): Promise<void> {
    await this.child.stop();
    this.child = await this.start();
    await this.prepare(task);
  }

  /** It compares the files' sizes, and nothing else. */
  async prepare({ kind, plan }: Task): Promise<string> {
    if (kind === 'requests') {
      const { size } = firstFile(plan);
      const file = join(this.workDir, `limit-${plan.name}`);
      const paths = pathsOf(plan, size).map((path) => `${path}\n`);
      await writeFile(file, paths.join(''));
      await this.child.ask(`load ${file} ${size}`);
    }
    return `${plan.requests.length} paths`;
  }

  async run(task: Task, timing: Timing): Promise<Load> {
    const answer = await this.child.ask(commandOf(task, timing));
    return loadOf(JSON.parse(answer) as Answer, task.kind);
  }

  stop(): Promise<void> {
    return this.child.stop();
  }
}

export const limit: PeerKind = {
  title: 'a C loop over libgfapi, without HTTP: the limit',
  traits: { ...SERVER, http: false, ranges: false, keepsConnections: false },
  missing: () => (isInstalled('gcc') && isInstalled('pkg-config') ? null : 'there is no gcc'),
  start: (ground) => Limit.start(ground),
};
