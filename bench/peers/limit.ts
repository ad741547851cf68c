/** The limit that libgfapi sets: a C program that does nothing but read the same files. See limit.c. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { run, tail } from '../../test/support/cluster/exec.js';
import { SMALL_SIZE } from '../dataset.js';
import type { Load, Work } from '../load/load.js';
import { sourceFile } from '../source.js';
import { isInstalled } from './daemon.js';
import type { Ground, Peer, PeerKind } from './peer.js';

/** More than any run lasts beyond its time. */
const ANSWER_MS = 120_000;

interface Answer {
  readonly requests: number;
  readonly microseconds: number;
  readonly bytes: number;
  readonly errors: number;
  readonly p50: number;
  readonly p99: number;
}

async function compile(ground: Ground): Promise<string> {
  const program = join(ground.workDir, 'limit');
  const flags = await run(['pkg-config', '--cflags', '--libs', 'glusterfs-api']);
  const source = sourceFile('bench/peers/limit.c');
  const words = flags.trim().split(/\s+/);
  await run(['gcc', '-O2', '-Wall', '-o', program, source, ...words, '-lpthread']);
  return program;
}

const commandOf = (work: Work): string =>
  work.kind === 'files' ? `files ${work.seconds} ${work.seed}` : `download ${work.seconds}`;

function loadOf(answer: Answer, work: Work): Load {
  const latency = { p50Ms: answer.p50 / 1000, p99Ms: answer.p99 / 1000 };
  return {
    requests: answer.requests,
    seconds: answer.microseconds / 1e6,
    bytes: answer.bytes,
    errors: answer.errors,
    errorText: answer.errors === 0 ? '' : `failed reads ${answer.errors}`,
    latency: work.kind === 'files' ? latency : null,
    loadCpuSeconds: 0,
  };
}

class Limit implements Peer {
  readonly setup = 'held handles, 8 threads; large files by 1 MiB; no HTTP';
  readonly port = null;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<void>;

  constructor(
    private readonly child: ChildProcess,
    private readonly logFile: string,
  ) {
    if (child.stdout === null) throw new Error('the program has no output');
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.#exited = new Promise((resolve) => {
      child.on('exit', () => resolve());
      child.on('error', () => resolve());
    });
  }

  /** Its next line of output. */
  async line(): Promise<string> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), ANSWER_MS);
    const { value, done } = await this.#lines.next();
    clearTimeout(timer);
    if (done === true) throw new Error(`the limit program ended:\n${await tail(this.logFile)}`);
    return value;
  }

  async pids(): Promise<readonly number[]> {
    const { pid } = this.child;
    return pid === undefined ? [] : [pid];
  }

  async run(work: Work): Promise<Load> {
    this.child.stdin?.write(`${commandOf(work)}\n`);
    return loadOf(JSON.parse(await this.line()) as Answer, work);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#exited;
  }
}

async function start(ground: Ground): Promise<Peer> {
  const program = await compile(ground);
  const { cluster, volume, dataset, smallPathsFile, workDir } = ground;
  const server = cluster.addresses[0] ?? '';
  const args = [volume, server, smallPathsFile, String(SMALL_SIZE), dataset.large.path];
  const logFile = join(workDir, 'limit.log');
  const log = openSync(logFile, 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], {
    stdio: ['pipe', 'pipe', log],
  });
  closeSync(log);
  const limit = new Limit(child, logFile);
  await limit.line();
  return limit;
}

export const limit: PeerKind = {
  title: 'a C loop over libgfapi, without HTTP: the limit',
  missing: () => (isInstalled('gcc') && isInstalled('pkg-config') ? null : 'there is no gcc'),
  start,
};
