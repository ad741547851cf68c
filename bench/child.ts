/** A process of ours that answers a line on its input with a line of output. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { tail } from '../test/support/cluster/exec.js';
import { OWN } from './programs.js';

export class Child {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<void>;

  /**
   * @param logFile gets what it prints to standard error
   * @param answerMs it is killed when it takes longer for a line, in milliseconds
   */
  constructor(
    command: readonly string[],
    private readonly logFile: string,
    private readonly answerMs: number,
  ) {
    const log = openSync(logFile, 'a');
    const [program, ...args] = [...OWN, ...command];
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', log] });
    closeSync(log);
    const { stdin, stdout } = child;
    if (stdin === null || stdout === null) throw new Error(`no pipes to ${command[0]}`);
    this.#child = child;
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    this.#exited = new Promise((resolve) => {
      child.on('exit', () => resolve());
      child.on('error', () => resolve());
    });
    // A write to one that has ended; the missing answer tells.
    stdin.on('error', () => undefined);
  }

  get pids(): readonly number[] {
    const { pid } = this.#child;
    return pid === undefined ? [] : [pid];
  }

  /** Its next line of output. @throws Error with the end of its log when it has ended */
  async line(): Promise<string> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), this.answerMs);
    const { value, done } = await this.#lines.next();
    clearTimeout(timer);
    if (done === true) throw new Error(`${this.logFile}: ended:\n${await tail(this.logFile)}`);
    return value;
  }

  /** Gives it a line and waits for its answer. */
  async ask(line: string): Promise<string> {
    this.#child.stdin?.write(`${line}\n`);
    return await this.line();
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
