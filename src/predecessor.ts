/** The gfserve that started this one to take its place, as this one sees it. */
import type { AdminSocket } from './admin_port.js';
import type { Sample } from './observe/metrics.js';
import { type Held, isSocketHandle, type SocketHandle, type Sockets } from './sockets.js';
import {
  type FromSuccessor,
  PREDECESSOR_VARIABLE,
  readToSuccessor,
  type ToSuccessor,
} from './upgrade_messages.js';
import type { Partner } from './worker_pool.js';

/** What it leaves. Its workers serve meanwhile. */
export interface Inheritance extends Partner {
  readonly held: Held;
  readonly pidFile: string | null;
  readonly admin: AdminSocket | null;
  /** Lets go of all sockets; the workers have their own by then. */
  close(): void;
}

/** `gone`: it has ended, or the channel has. */
export type Verdict = 'take-over' | 'gone';

/**
 * null: this gfserve takes nobody's place. Called once, early: what comes before is lost. Where the one that has started this one
 * is gone already, it is that one all the same: a gfserve that nobody waits for is not to serve.
 */
export function joinPredecessor(): Predecessor | null {
  const variable = process.env[PREDECESSOR_VARIABLE];
  if (variable === undefined) return null;
  const pid = Number(variable);
  // Workers and what else is started from here must not believe it of themselves.
  delete process.env[PREDECESSOR_VARIABLE];
  // What systemd has set for the former one holds for this one: it is to be the service's main process.
  if (process.env.SYSTEMD_EXEC_PID === variable) {
    process.env.SYSTEMD_EXEC_PID = String(process.pid);
  }
  return new Predecessor(pid, process.connected && pid === process.ppid);
}

export class Predecessor {
  readonly gone: Promise<void>;
  /** Resolves when it wants this gfserve to end: in order, or at once (true). */
  readonly stopped: Promise<boolean>;
  isGone = false;
  /** Told of all that it has counted, whenever it says so. */
  onMetrics: (samples: readonly Sample[]) => void = () => undefined;
  readonly #sockets = new Map<number, Map<string, SocketHandle>>();
  #admin: AdminSocket | null = null;
  #began: (message: ToSuccessor & { type: 'begin' }) => void = () => undefined;
  #stopping: (atOnce: boolean) => void = () => undefined;
  #takingOver: () => void = () => undefined;

  constructor(
    readonly pid: number,
    isThere: boolean,
  ) {
    this.stopped = new Promise((resolve) => {
      this.#stopping = resolve;
    });
    this.gone = new Promise((resolve) => {
      const over = (): void => {
        this.isGone = true;
        resolve();
      };
      if (isThere) process.once('disconnect', over);
      else over();
    });
    process.on('message', (value: unknown, handle: unknown) => {
      const message = readToSuccessor(value);
      const socket = isSocketHandle(handle) ? handle : null;
      if (message) this.#heard(message, socket);
      else socket?.close();
    });
  }

  /** Asks for what it leaves; null: it is gone. Once only. */
  async begin(version: string): Promise<Inheritance | null> {
    const answer = new Promise<ToSuccessor & { type: 'begin' }>((resolve) => {
      this.#began = resolve;
    });
    void this.#send({ type: 'hello', version });
    const message = await Promise.race([answer, this.gone]);
    if (!message) return null;
    const { ports, paths, pidFile } = message;
    return {
      held: { ports: new Set(ports), paths: new Set(paths) },
      pidFile,
      admin: this.#admin,
      readyCount: 1,
      socketsOf: (number): Sockets => this.#sockets.get(number) ?? new Map(),
      close: () => {
        for (const sockets of this.#sockets.values()) {
          for (const socket of sockets.values()) socket.close();
        }
        this.#sockets.clear();
      },
    };
  }

  /** Why this gfserve does not take its place, and ends. Resolves when it knows, or is gone. */
  failed(problems: readonly string[]): Promise<void> {
    return this.#send({ type: 'failed', problems });
  }

  /** All workers are ready, and listen on unix sockets at these paths. Resolves with what is to be done. */
  async ready(paths: ReadonlySet<string>): Promise<Verdict> {
    const verdict = new Promise<Verdict>((resolve) => {
      this.#takingOver = () => resolve('take-over');
    });
    void this.#send({ type: 'ready', paths: [...paths] });
    return await Promise.race([
      verdict,
      Promise.race([this.gone, this.stopped]).then((): Verdict => 'gone'),
    ]);
  }

  /** This gfserve is the one that runs. */
  taken(): void {
    void this.#send({ type: 'taken' });
  }

  /** Has it end soon, or at once. */
  stop(atOnce: boolean): void {
    void this.#send({ type: 'stop', atOnce });
  }

  /** Its access log may have been renamed too. */
  reopenLogs(): void {
    // No signal: it may be gone before this process sees it, and the number another's.
    void this.#send({ type: 'reopen-logs' });
  }

  #heard(message: ToSuccessor, socket: SocketHandle | null): void {
    switch (message.type) {
      case 'socket':
        if (socket) this.#keep(message.number, message.key, socket);
        break;
      case 'admin':
        if (socket) this.#admin = { key: message.key, socket };
        break;
      case 'begin':
        this.#began(message);
        break;
      case 'metrics':
        this.onMetrics(message.samples);
        break;
      case 'take-over':
        this.#takingOver();
        break;
      case 'stop':
        this.#stopping(message.atOnce);
        break;
      default:
        message satisfies never;
    }
  }

  #keep(number: number, key: string, socket: SocketHandle): void {
    const sockets = this.#sockets.get(number) ?? new Map<string, SocketHandle>();
    sockets.set(key, socket);
    this.#sockets.set(number, sockets);
  }

  #send(message: FromSuccessor): Promise<void> {
    return new Promise((resolve) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
      else resolve();
    });
  }
}
