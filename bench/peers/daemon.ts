/** A peer's process: started in the foreground, ended with us. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { connect } from 'node:net';
import { tail, waitUntil } from '../../test/support/cluster/exec.js';
import { OWN, PATH } from '../programs.js';

const START_MS = 20_000;
const STOP_MS = 10_000;
const STAY_MS = 100;

/**
 * Whether somebody listens there to stay: a server that only tries whether it could listen, as gfserve does before it starts its
 * workers, ends what has come meanwhile.
 */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (isThere: boolean): void => {
      socket.destroy();
      resolve(isThere);
    };
    socket.on('connect', () => setTimeout(settle, STAY_MS, true));
    socket.on('error', () => settle(false));
    socket.on('close', () => settle(false));
  });
}

interface Run {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly exited: Promise<void>;
  isOver: boolean;
}

export class Daemon {
  #run: Run | null = null;

  private constructor(
    private readonly command: readonly string[],
    readonly port: number,
    private readonly outputFile: string,
  ) {}

  /**
   * Starts a program and waits until it listens.
   * @throws Error with the end of what it printed
   */
  static async start(
    command: readonly string[],
    port: number,
    outputFile: string,
  ): Promise<Daemon> {
    const daemon = new Daemon(command, port, outputFile);
    await daemon.#start();
    return daemon;
  }

  /** That of the last start, also when it has ended since. */
  get pid(): number {
    if (!this.#run) throw new Error(`${this.command[0]} was not started`);
    return this.#run.pid;
  }

  /** Ends it and starts the same again, at the same port. @param between called when it has ended */
  async restart(between: () => Promise<void> = async () => undefined): Promise<void> {
    await this.stop();
    await between();
    await this.#start();
  }

  async stop(): Promise<void> {
    const run = this.#run;
    if (!run || run.isOver) return;
    run.child.kill('SIGTERM');
    const timer = setTimeout(() => run.child.kill('SIGKILL'), STOP_MS);
    await run.exited;
    clearTimeout(timer);
  }

  async #start(): Promise<void> {
    const { command, port, outputFile } = this;
    const output = openSync(outputFile, 'a');
    const [program, ...args] = [...OWN, ...command];
    const child = spawn(program, args, {
      env: { PATH, LC_ALL: 'C', HOME: process.env.HOME ?? '/' },
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    const { pid } = child;
    if (pid === undefined) throw new Error(`can't start ${command[0]}`);
    const exited = new Promise<void>((resolve) => {
      child.on('exit', () => {
        run.isOver = true;
        resolve();
      });
    });
    const run: Run = { child, pid, exited, isOver: false };
    this.#run = run;
    const ready = async (): Promise<boolean> => run.isOver || (await answers(port));
    if (!(await waitUntil(ready, START_MS)) || run.isOver) {
      await this.stop();
      throw new Error(`${command[0]} does not serve:\n${await tail(outputFile)}`);
    }
  }
}
