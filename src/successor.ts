/** The gfserve that is to take this one's place, as this one sees it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { sendable } from './ipc.js';
import { errnoOf } from './observe/log.js';
import type { SocketHandle } from './sockets.js';
import { successorEnvironment } from './systemd.js';
import {
  type FromSuccessor,
  PREDECESSOR_VARIABLE,
  readFromSuccessor,
  type ToSuccessor,
} from './upgrade_messages.js';

/** How the program is started anew. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

/** What it says next; `ended`: nothing more, and why; `late`: nothing within the time. */
export type Said =
  | Exclude<FromSuccessor, { type: 'stop' | 'reopen-logs' }>
  | { readonly type: 'ended'; readonly how: string }
  | { readonly type: 'late' };

export class Successor {
  /** Its process is gone. */
  readonly gone: Promise<void>;
  readonly #child: ChildProcess;
  readonly #said: Said[] = [];
  #waiter: ((said: Said) => void) | null = null;
  #isOver = false;
  #onStop: ((atOnce: boolean) => void) | null = null;
  #onReopenLogs: (() => void) | null = null;
  /** It said so before anybody was told. */
  #stopped: boolean[] = [];
  #areLogsReopened = false;

  /** Has the same rights, folder, environment, stdout and stderr as this process. */
  constructor({ program, args }: Command) {
    this.#child = spawn(program, [...args], {
      env: {
        ...process.env,
        ...successorEnvironment(),
        [PREDECESSOR_VARIABLE]: String(process.pid),
      },
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    });
    this.gone = new Promise((resolve) => {
      const over = (how: string): void => {
        if (this.#isOver) return;
        this.#isOver = true;
        this.#add({ type: 'ended', how });
        resolve();
      };
      // An exit can be seen before the last that it said; the channel's end comes after that.
      this.#child.once('exit', (code, signal) => {
        const how = signal === null ? `exited with status ${code}` : `was killed by ${signal}`;
        if (this.#child.connected) this.#child.once('disconnect', () => over(how));
        else over(how);
      });
      // Without a process; with one, it is a message that could not be sent.
      this.#child.on('error', (e) => {
        if (this.#child.pid === undefined) over(`could not be started (${errnoOf(e)})`);
      });
    });
    this.#child.on('message', (value: unknown) => {
      const message = readFromSuccessor(value);
      if (message?.type === 'stop') this.#stop(message.atOnce);
      else if (message?.type === 'reopen-logs') this.#reopenLogs();
      else if (message) this.#add(message);
    });
  }

  /**
   * Is told when it wants this gfserve, whose place it has taken, to end soon, or at once (true); also of what it has said already, as
   * it may be told to end at the very moment at which it takes over.
   */
  set onStop(listener: (atOnce: boolean) => void) {
    this.#onStop = listener;
    for (const atOnce of this.#stopped.splice(0)) listener(atOnce);
  }

  /** Is told when it has opened its access log anew, once at least for all that came before. */
  set onReopenLogs(listener: () => void) {
    this.#onReopenLogs = listener;
    if (this.#areLogsReopened) listener();
    this.#areLogsReopened = false;
  }

  /** 0: it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** One call at a time. */
  next(timeoutMs: number): Promise<Said> {
    const said = this.#said.shift();
    if (said) return Promise.resolve(said);
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#add({ type: 'late' }), timeoutMs);
      this.#waiter = (said) => {
        clearTimeout(timer);
        resolve(said);
      };
    });
  }

  /** Resolves when it is out, or can't go out. `socket` stays the caller's. */
  tell(message: ToSuccessor, socket?: SocketHandle): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#child.connected) resolve();
      else this.#child.send(message, socket && sendable(socket), () => resolve());
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Has it end within the time, or be killed. Resolves when it is gone. */
  async end(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.signal('SIGKILL'), timeoutMs);
    void this.tell({ type: 'stop', atOnce: false });
    await this.gone;
    clearTimeout(timer);
  }

  #stop(atOnce: boolean): void {
    if (this.#onStop) this.#onStop(atOnce);
    else this.#stopped.push(atOnce);
  }

  #reopenLogs(): void {
    if (this.#onReopenLogs) this.#onReopenLogs();
    else this.#areLogsReopened = true;
  }

  #add(said: Said): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    if (waiter) waiter(said);
    else this.#said.push(said);
  }
}
