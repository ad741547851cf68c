/** One kept connection for GETs one after the other: little work for each, as the machine is small. */
import net from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly body: Buffer;
}

const HEAD_END = Buffer.from('\r\n\r\n');

export class RawClient {
  #gathered = Buffer.alloc(0);
  #waiting: { resolve: (answer: RawAnswer) => void; reject: (error: Error) => void } | null = null;

  private constructor(private readonly socket: net.Socket) {
    socket.on('data', (data) => {
      this.#gathered = this.#gathered.length === 0 ? data : Buffer.concat([this.#gathered, data]);
      this.#read();
    });
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the connection was closed')));
  }

  static connect(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(port, '127.0.0.1', () => {
        socket.off('error', reject);
        resolve(new RawClient(socket));
      });
      socket.once('error', reject);
    });
  }

  /** One at a time. */
  get(path: string): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.socket.write(`GET ${path} HTTP/1.1\r\nHost: soak\r\n\r\n`);
    });
  }

  close(): void {
    this.socket.destroy();
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

  #fail(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = null;
  }
}
