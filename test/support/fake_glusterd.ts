/** A volfile server of the test's own on loopback: answers as it is told, and keeps count of what it was asked. */
import { once } from 'node:events';
import net from 'node:net';
import type { VolfileServer } from '../../src/config/types.js';
import { FETCHSPEC, GETSPEC, PING } from '../../src/storage/volfile/getspec.js';
import { callRecord, RecordReader } from '../../src/storage/volfile/rpc.js';
import { XdrReader, XdrWriter } from '../../src/storage/volfile/xdr.js';

const HEADER_BYTES = 4;

/** `body` as one record of one fragment. */
export function record(body: Buffer): Buffer {
  return Buffer.concat([new XdrWriter().words(0x80000000 | body.length).bytes(), body]);
}

/** An accepted reply that succeeded. */
export function reply(xid: number, results: Buffer): Buffer {
  return record(Buffer.concat([new XdrWriter().words(xid, 1, 0, 0, 0, 0).bytes(), results]));
}

/** gf_getspec_rsp with a text. */
export function spec(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return new XdrWriter()
    .words(bytes.length, 0)
    .opaque(Buffer.concat([bytes, Buffer.alloc(1)]))
    .opaque(Buffer.alloc(0))
    .bytes();
}

/** gf_getspec_rsp with an errno. */
export function refusal(errno: number): Buffer {
  return new XdrWriter().words(-1, errno).opaque(Buffer.alloc(0)).opaque(Buffer.alloc(0)).bytes();
}

/** A volume file with one xlator of that name. */
export const volfile = (name: string): string =>
  `volume ${name}\n    type protocol/client\nend-volume\n\n`;

interface Call {
  readonly xid: number;
  readonly program: number;
  readonly procedure: number;
}

function readCall(body: Buffer): Call {
  const reader = new XdrReader(body);
  const [xid = 0, , , program = 0, , procedure = 0] = Array.from({ length: 6 }, () =>
    reader.word(),
  );
  return { xid, program, procedure };
}

export class FakeGlusterd {
  /** What the socket gets for a question about a volume's file; null: nothing, ever. */
  answer: (xid: number) => Buffer | null = (xid) => reply(xid, spec(volfile('first')));
  answersPings = true;
  /** As with `rpc-auth-allow-insecure off`: who comes from a port from 1024 is denied everything. */
  deniesHighPorts = false;
  asked = 0;
  pings = 0;
  readonly #sockets = new Set<net.Socket>();

  private constructor(
    private readonly server: net.Server,
    readonly address: Extract<VolfileServer, { transport: 'tcp' }>,
  ) {
    server.on('connection', (socket) => this.#serve(socket));
  }

  static async start(host = '127.0.0.1', port = 0): Promise<FakeGlusterd> {
    const server = net.createServer();
    server.listen(port, host);
    await once(server, 'listening');
    const bound = server.address();
    if (bound === null || typeof bound === 'string') throw new Error('no port');
    const { port: used } = bound;
    return new FakeGlusterd(server, {
      transport: 'tcp',
      host,
      port: used,
      text: `${host}:${used}`,
    });
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Tells all clients that some volume's file has changed. */
  announce(): void {
    this.send(callRecord(7, FETCHSPEC, { flavor: 0, body: Buffer.alloc(0) }, Buffer.alloc(0)));
  }

  send(bytes: Buffer): void {
    for (const socket of this.#sockets) socket.write(bytes);
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: net.Socket): void {
    const records = new RecordReader();
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.on('data', (piece: Buffer) => {
      const result = records.push(piece);
      if (!result.ok) throw new Error(result.reason);
      for (const body of result.records) this.#take(socket, readCall(body));
    });
  }

  #take(socket: net.Socket, { xid, program, procedure }: Call): void {
    if (this.deniesHighPorts && (socket.remotePort ?? 0) >= 1024) {
      socket.write(record(new XdrWriter().words(xid, 1, 1, 1, 2).bytes()));
    } else if (program === GETSPEC.program && procedure === GETSPEC.procedure) {
      this.asked += 1;
      const bytes = this.answer(xid);
      if (bytes !== null) socket.write(bytes);
    } else if (program === PING.program) {
      this.pings += 1;
      if (this.answersPings) socket.write(reply(xid, Buffer.alloc(3 * HEADER_BYTES)));
    } else {
      socket.write(reply(xid, Buffer.alloc(0))); // the probe's NULL call
    }
  }
}
