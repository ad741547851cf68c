import { type AdminServer, type AdminSource, startAdmin } from './admin.js';
import type { Config, ListenAddress } from './config/types.js';
import type { Logger } from './observe/log.js';
import type { Problem } from './preflight.js';
import type { Prepared } from './reload.js';

/** The admin listener, wherever the configuration wants it just now. */
export class AdminPort {
  #server: AdminServer | null = null;
  #address: ListenAddress | null = null;

  constructor(
    private readonly source: AdminSource,
    private readonly log: Logger,
  ) {}

  /** null, or why it can't be opened. */
  async open({ admin: { listen } }: Config): Promise<Problem | null> {
    const server = listen && (await startAdmin(listen, this.source, this.log));
    if (server && 'code' in server) return server;
    this.#server = server;
    this.#address = listen;
    return null;
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
