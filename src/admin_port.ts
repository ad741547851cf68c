import { type AdminServer, type AdminSource, startAdmin } from './admin.js';
import type { Config, ListenAddress } from './config/types.js';
import type { Logger } from './observe/log.js';
import type { Problem } from './preflight.js';
import type { Prepared } from './reload.js';
import { type SocketHandle, socketKey } from './sockets.js';

/** The admin listener's socket on its way to another gfserve. */
export interface AdminSocket {
  readonly key: string;
  readonly socket: SocketHandle;
}

/** The admin listener, wherever the configuration wants it just now. */
export class AdminPort {
  #server: AdminServer | null = null;
  #address: ListenAddress | null = null;
  /** To be listened on later. */
  #inherited: SocketHandle | null = null;

  constructor(
    private readonly source: AdminSource,
    private readonly log: Logger,
  ) {}

  /**
   * null, or why it can't be opened. A socket of another gfserve is kept for `adopt` where it is of the address that is
   * wanted, and closed where not.
   */
  async open(
    { admin: { listen } }: Config,
    from: AdminSocket | null = null,
  ): Promise<Problem | null> {
    this.#address = listen;
    if (listen && from?.key === socketKey(listen, 0)) {
      this.#inherited = from.socket;
      return null;
    }
    from?.socket.close();
    return await this.#start(null);
  }

  /** Listens on the socket that `open` has kept, if there is one. null, or why it can't. */
  async adopt(): Promise<Problem | null> {
    const socket = this.#inherited;
    this.#inherited = null;
    return socket && (await this.#start(socket));
  }

  async #start(socket: SocketHandle | null): Promise<Problem | null> {
    const address = this.#address;
    const server = address && (await startAdmin(address, this.source, this.log, socket));
    if (server && 'code' in server) return server;
    this.#server = server;
    return null;
  }

  /** For another gfserve; stays this one's. */
  get socket(): AdminSocket | null {
    const socket = this.#server?.socket;
    return socket && this.#address ? { key: socketKey(this.#address, 0), socket } : null;
  }

  /** Another gfserve goes on, which listens on unix sockets at the `kept` paths. */
  leave(kept: ReadonlySet<string>): void {
    const address = this.#address;
    if (address?.kind === 'unix' && !kept.has(address.path)) this.#server?.close();
    else this.#server?.leave();
    this.#server = null;
  }

  /** Opens the new address beside the old one. A string says why that can't be done. */
  async prepare({ admin: { listen } }: Config): Promise<Prepared | string> {
    if (isSame(listen, this.#address)) return { keep: () => undefined, undo: () => undefined };
    const server = listen && (await startAdmin(listen, this.source, this.log));
    if (server && 'code' in server) return `${server.code}: ${server.message}`;
    return {
      keep: () => {
        this.close();
        this.#server = server;
        this.#address = listen;
      },
      undo: () => server?.close(),
    };
  }

  close(): void {
    this.#server?.close();
    this.#server = null;
  }
}

function isSame(a: ListenAddress | null, b: ListenAddress | null): boolean {
  if (a === null || b === null) return a === b;
  if (a.kind === 'unix') return b.kind === 'unix' && a.path === b.path;
  return b.kind === 'tcp' && a.host === b.host && a.port === b.port;
}
