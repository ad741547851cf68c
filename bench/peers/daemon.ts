/** A peer's process: started in the foreground, ended with us. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { connect } from 'node:net';
import { tail, waitUntil } from '../../test/support/cluster/exec.js';
import { OWN, PATH } from '../programs.js';

const START_MS = 20_000;
const STOP_MS = 10_000;

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

export class Daemon {
  readonly #exited: Promise<void>;
  #gone = false;

  private constructor(
    private readonly child: ChildProcess,
    readonly pid: number,
    readonly port: number,
  ) {
    this.#exited = new Promise((resolve) => {
      child.on('exit', () => {
        this.#gone = true;
        resolve();
      });
    });
  }

  /**
   * Starts a program and waits until it listens.
   * @throws Error with the end of what it printed
   */
  static async start(
    command: readonly string[],
    port: number,
    outputFile: string,
  ): Promise<Daemon> {
    const output = openSync(outputFile, 'a');
    const [program, ...args] = [...OWN, ...command];
    const child = spawn(program, args, {
      env: { PATH, LC_ALL: 'C', HOME: process.env.HOME ?? '/' },
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    const { pid } = child;
    if (pid === undefined) throw new Error(`can't start ${command[0]}`);
    const daemon = new Daemon(child, pid, port);
    const ready = async (): Promise<boolean> => daemon.#gone || (await answers(port));
    if (!(await waitUntil(ready, START_MS)) || daemon.#gone) {
      await daemon.stop();
      throw new Error(`${command[0]} does not serve:\n${await tail(outputFile)}`);
    }
    return daemon;
  }

  async stop(): Promise<void> {
    if (this.#gone) return;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await this.#exited;
    clearTimeout(timer);
  }
}
