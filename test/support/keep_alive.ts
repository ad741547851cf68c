/** Clients of connections that are kept: who closed one, and whether a request was lost by it, is what they tell. */
import { createHash } from 'node:crypto';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface KeepAliveOptions {
  readonly where: { readonly port: number } | { readonly path: string };
  readonly url: string;
  /** What each answer's status and body have to be. */
  readonly expected: string;
  /** The body is given by its sha256, in hexadecimal digits. */
  readonly digest?: boolean;
  readonly connections: number;
  /** Milliseconds between an answer and the next request on its connection. */
  readonly pauseMs: number;
  /** Answers after which a client ends its connection by itself; without it, it never does. */
  readonly perConnection?: number;
}

export interface KeepAliveCounts {
  /** Right answers. */
  right: number;
  /** Connections that were opened. */
  opened: number;
  /** Connections that an answer said would be closed. */
  announced: number;
  /** Connections that could not be opened, or whose first request got no answer. */
  lostFirst: number;
  /** Later requests that got no answer, though nothing had been announced. */
  lostLater: number;
  /** Connections that were closed without a word while no request was under way. */
  closedIdle: number;
  /** Answers other than the expected one; the first few. */
  readonly wrong: string[];
  /** What broke, by errno. */
  readonly errors: Record<string, number>;
}

type Reply =
  | {
      readonly kind: 'answer';
      readonly status: string;
      readonly body: string;
      readonly isLast: boolean;
    }
  | { readonly kind: 'lost'; readonly errno: string };

/** Of a body whose bytes are the string's characters. */
export const digestOf = (body: string): string =>
  createHash('sha256').update(body, 'latin1').digest('hex');

/** One connection, used by one request at a time. */
export class Connection {
  readonly #socket: net.Socket;
  #received = '';
  #errno = '';
  isOver = false;
  #wake: () => void = () => undefined;

  constructor(where: KeepAliveOptions['where']) {
    this.#socket = net.connect({ host: '127.0.0.1', ...where });
    this.#socket.setNoDelay(true);
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => {
      this.#received += text;
      this.#wake();
    });
    this.#socket.on('error', (error) => {
      this.#errno = 'code' in error ? String(error.code) : error.message;
    });
    const over = (): void => {
      this.isOver = true;
      this.#wake();
    };
    this.#socket.on('end', over);
    this.#socket.on('close', over);
  }

  async ask(url: string): Promise<Reply> {
    this.#received = '';
    this.#socket.write(`GET ${url} HTTP/1.1\r\nHost: x\r\n\r\n`);
    for (;;) {
      const reply = answerIn(this.#received);
      if (reply) return reply;
      if (this.isOver) return { kind: 'lost', errno: this.#errno || 'ended' };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** The answer, once all of it is there. */
function answerIn(received: string): Reply | null {
  const end = received.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const head = received.slice(0, end);
  const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
  if (received.length < end + 4 + length) return null;
  const [status, body] = [head.slice(9, 12), received.slice(end + 4)];
  return { kind: 'answer', status, body, isLast: /^connection: close/im.test(head) };
}

export class KeepAliveLoad {
  readonly counts: KeepAliveCounts = {
    right: 0,
    opened: 0,
    announced: 0,
    lostFirst: 0,
    lostLater: 0,
    closedIdle: 0,
    wrong: [],
    errors: {},
  };
  #isRunning = true;
  readonly #clients: Promise<void>[];

  constructor(private readonly options: KeepAliveOptions) {
    this.#clients = Array.from({ length: options.connections }, () => this.#client());
  }

  async stop(): Promise<KeepAliveCounts> {
    this.#isRunning = false;
    await Promise.all(this.#clients);
    return this.counts;
  }

  async #client(): Promise<void> {
    while (this.#isRunning) {
      const connection = new Connection(this.options.where);
      this.counts.opened += 1;
      await this.#use(connection);
      connection.close();
    }
  }

  async #use(connection: Connection): Promise<void> {
    const { url, expected, digest, pauseMs, perConnection = Infinity } = this.options;
    const { counts } = this;
    for (let asked = 0; this.#isRunning && asked < perConnection; asked += 1) {
      const reply = await connection.ask(url);
      if (reply.kind === 'lost') {
        if (asked === 0) counts.lostFirst += 1;
        else counts.lostLater += 1;
        counts.errors[reply.errno] = (counts.errors[reply.errno] ?? 0) + 1;
        return;
      }
      const text = `${reply.status} ${digest ? digestOf(reply.body) : reply.body}`;
      if (text === expected) counts.right += 1;
      else if (counts.wrong.length < 5) counts.wrong.push(text.slice(0, 200));
      if (reply.isLast) {
        counts.announced += 1;
        return;
      }
      await sleep(pauseMs);
      if (connection.isOver && this.#isRunning) {
        counts.closedIdle += 1;
        return;
      }
    }
  }
}
