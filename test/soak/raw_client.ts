/** One kept connection for GETs one after the other: little work for each, as the machine is small. */
import net from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly body: Buffer;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const NOTHING = Buffer.alloc(0);

/** Of one request. */
interface Waiting {
  readonly path: string;
  readonly resolve: (answer: RawAnswer) => void;
  readonly reject: (error: Error) => void;
  /** On a connection that was made for it. */
  readonly anew: boolean;
}

export class RawClient {
  #gathered = NOTHING;
  #waiting: Waiting | null = null;
  /** Closed while nothing was asked: the next request is made on a new one. */
  #isGone = false;
  #ended = false;
  #reconnects = 0;

  private constructor(
    private readonly port: number,
    private socket: net.Socket,
  ) {
    this.#listen(socket);
  }

  static async connect(port: number): Promise<RawClient> {
    return new RawClient(port, await connected(port));
  }

  /** How often the connection was closed between two requests, as a server may after 10 s in which nothing came. */
  get reconnects(): number {
    return this.#reconnects;
  }

  /** One at a time. */
  get(path: string): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      const waiting = { path, resolve, reject };
      if (this.#isGone) this.#askAnew(waiting);
      else this.#ask({ ...waiting, anew: false });
    });
  }

  close(): void {
    this.#ended = true;
    this.socket.destroy();
  }

  #ask(waiting: Waiting): void {
    this.#waiting = waiting;
    this.socket.write(`GET ${waiting.path} HTTP/1.1\r\nHost: soak\r\n\r\n`);
  }

  #askAnew(waiting: Omit<Waiting, 'anew'>): void {
    this.#reconnects += 1;
    connected(this.port).then((socket) => {
      this.#isGone = false;
      this.#gathered = NOTHING;
      this.socket = socket;
      this.#listen(socket);
      this.#ask({ ...waiting, anew: true });
      if (this.#ended) socket.destroy();
    }, waiting.reject);
  }

  #listen(socket: net.Socket): void {
    socket.on('data', (data) => {
      this.#gathered = this.#gathered.length === 0 ? data : Buffer.concat([this.#gathered, data]);
      this.#read();
    });
    let failure = new Error('the connection was closed');
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => this.#closed(failure));
  }

  #read(): void {
    const end = this.#gathered.indexOf(HEAD_END);
    if (end === -1) return;
    const head = this.#gathered.toString('latin1', 0, end);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    const from = end + HEAD_END.length;
    if (this.#gathered.length < from + length) return;
    const body = this.#gathered.subarray(from, from + length);
    this.#gathered = this.#gathered.subarray(from + length);
    this.#waiting?.resolve({ status: Number(head.slice(9, 12)), body });
    this.#waiting = null;
  }

  /** A kept connection may be closed at any time; whoever keeps one asks again where no answer had begun (RFC 9112 §9.3.1). */
  #closed(error: Error): void {
    this.#isGone = true;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (!waiting) return;
    if (waiting.anew || this.#ended || this.#gathered.length > 0) waiting.reject(error);
    else this.#askAnew(waiting);
  }
}

function connected(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}
