/** One connection to one volfile server: asks it for a volume's file, hears of changes, and notices when it has died. */
import net from 'node:net';
import type { VolfileServer } from '../../config/types.js';
import {
  credentials,
  FETCHSPEC,
  GETSPEC,
  getspecArguments,
  PING,
  parseSpec,
  type Spec,
} from './getspec.js';
import { callRecord, type Message, type Procedure, parseMessage, RecordReader } from './rpc.js';

export type Answer =
  | Extract<Spec, { readonly kind: 'text' | 'refused' }>
  /** The session is over. */
  | { readonly kind: 'failed'; readonly reason: string };

export interface SessionEvents {
  /** Some volume's file has changed: it may be another one now. */
  announced(): void;
  /** It can't be asked any more. Once, and never after `close`. */
  ended(reason: string): void;
}

export interface SessionTimes {
  /** For each answer, the first one with the connection before it. */
  readonly answerMs: number;
  /** How long after the last sign of life the server is asked for another one. */
  readonly pingMs: number;
}

interface Waiting {
  readonly timer: NodeJS.Timeout;
  readonly settle: (outcome: Buffer | string) => void;
}

const sameProcedure = (a: Procedure, b: Procedure): boolean =>
  a.program === b.program && a.version === b.version && a.procedure === b.procedure;

export class Session {
  readonly #socket: net.Socket;
  readonly #records = new RecordReader();
  readonly #waiting = new Map<number, Waiting>();
  readonly #pinger: NodeJS.Timeout;
  #heardMs = performance.now();
  #xid = 0;
  #over = false;

  constructor(
    readonly server: VolfileServer,
    private readonly volname: string,
    private readonly events: SessionEvents,
    private readonly times: SessionTimes,
    /** Of this end; null: whatever the system gives. */
    localPort: number | null = null,
  ) {
    const from = localPort === null ? {} : { localPort };
    this.#socket =
      server.transport === 'unix'
        ? net.connect({ path: server.path })
        : net.connect({ host: server.host, port: server.port, ...from });
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (piece: Buffer) => this.#heard(piece));
    this.#socket.on('error', ({ code, message }: NodeJS.ErrnoException) =>
      this.#end(`the connection failed (${code ?? message})`),
    );
    this.#socket.on('close', () => this.#end('it closed the connection'));
    this.#pinger = setInterval(() => this.#ping(), times.pingMs);
    this.#pinger.unref();
  }

  /** Asks for the file as it is now. Never rejects. */
  async ask(): Promise<Answer> {
    const results = await this.#call(GETSPEC, getspecArguments(this.volname));
    const spec = typeof results === 'string' ? null : parseSpec(results);
    if (spec?.kind === 'text' || spec?.kind === 'refused') return spec;
    const reason = spec === null ? `${results}` : `it sent ${spec.reason}`;
    this.#end(reason);
    return { kind: 'failed', reason };
  }

  close(): void {
    this.#finish('it is not asked any more');
  }

  #ping(): void {
    if (performance.now() - this.#heardMs < this.times.pingMs) return;
    void this.#call(PING, Buffer.alloc(0));
  }

  /** The results; or why there will be none. */
  #call(procedure: Procedure, args: Buffer): Promise<Buffer | string> {
    if (this.#over) return Promise.resolve('the connection has ended');
    this.#xid += 1;
    const xid = this.#xid;
    const { pid } = process;
    const who = credentials(pid, process.geteuid?.() ?? 0, process.getegid?.() ?? 0);
    return new Promise((resolve) => {
      const { answerMs } = this.times;
      const timer = setTimeout(
        () => this.#end(`it did not answer within ${answerMs / 1000} s`),
        answerMs,
      );
      this.#waiting.set(xid, { timer, settle: resolve });
      this.#socket.write(callRecord(xid, procedure, who, args));
    });
  }

  #heard(piece: Buffer): void {
    if (this.#over) return;
    this.#heardMs = performance.now();
    const result = this.#records.push(piece);
    if (!result.ok) {
      this.#end(`it sent ${result.reason}`);
      return;
    }
    for (const record of result.records) this.#take(parseMessage(record));
  }

  #take(message: Message): void {
    switch (message.kind) {
      case 'call':
        if (sameProcedure(message.procedure, FETCHSPEC) && !this.#over) this.events.announced();
        return;
      case 'reply':
        this.#settle(message.xid, message.results);
        return;
      case 'refusal':
        // A server that does not know PING has given a sign of life all the same.
        this.#settle(message.xid, message.reason);
        return;
      case 'malformed':
        this.#end(`it sent ${message.reason}`);
        return;
      default: {
        const impossible: never = message;
        throw new Error(`unknown message ${String(impossible)}`);
      }
    }
  }

  #settle(xid: number, outcome: Buffer | string): void {
    const waiting = this.#waiting.get(xid);
    if (!waiting) return;
    this.#waiting.delete(xid);
    clearTimeout(waiting.timer);
    waiting.settle(outcome);
  }

  #end(reason: string): void {
    if (this.#finish(reason)) this.events.ended(reason);
  }

  /** Whether it was not over before. */
  #finish(reason: string): boolean {
    if (this.#over) return false;
    this.#over = true;
    clearInterval(this.#pinger);
    this.#socket.destroy();
    for (const { timer, settle } of this.#waiting.values()) {
      clearTimeout(timer);
      settle(reason);
    }
    this.#waiting.clear();
    return true;
  }
}
