/** The uWebSockets.js listeners of one worker, and their end. */

import { App, type us_listen_socket, us_listen_socket_close } from 'uWebSockets.js';
import { chmodSync, rmSync } from 'node:fs';
import type { ListenAddress } from '../config/types.js';
import type { Counters, Site } from './exchange.js';
import { handle, handleGet } from './pipeline.js';

/** A unix listener must be open to the proxy's user, whoever that is: the folder's permissions are the lock. */
const SOCKET_MODE = 0o666;

export class ListenError extends Error {
  override readonly name = 'ListenError';
  readonly code = 'GFS_LISTEN';
}

export interface DrainResult {
  /** Requests that were under way and ended well. */
  readonly finished: number;
  /** Requests that were cut off at the deadline. */
  readonly cut: number;
}

export class HttpServer {
  readonly #app = App();
  readonly #sockets: us_listen_socket[] = [];
  /** Files of unix listeners. */
  readonly #paths: string[] = [];
  #connections = 0;
  #accepted = 0;

  constructor(private readonly site: Site) {
    const countConnection = (_res: unknown, change: number): void => {
      this.#connections += change;
      if (change > 0) this.#accepted += change;
    };
    this.#app.filter(countConnection);
    // Which method it is costs a call to ask: uWebSockets.js knows.
    this.#app.get('/*', (res, req) => handleGet(this.site, res, req));
    this.#app.any('/*', (res, req) => handle(this.site, res, req));
  }

  get counters(): Counters {
    return this.site.counters;
  }

  /** Open client connections, idle ones too. */
  get connections(): number {
    return this.#connections;
  }

  /** Client connections that were ever opened. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Opens a listener; `workerNumber` replaces %w in a socket's path. Throws ListenError. */
  listen(address: ListenAddress, workerNumber: number): void {
    let opened = false;
    const keep = (socket: us_listen_socket | false): void => {
      if (!socket) return;
      opened = true;
      this.#sockets.push(socket);
    };
    if (address.kind === 'unix') {
      const path = address.path.replaceAll('%w', String(workerNumber));
      this.#app.listen_unix(keep, path);
      if (opened) {
        this.#paths.push(path);
        chmodSync(path, SOCKET_MODE);
      }
    } else if (address.host === '') {
      this.#app.listen(address.port, keep);
    } else {
      this.#app.listen(address.host, address.port, keep);
    }
    if (!opened) throw new ListenError(`cannot listen on ${address.text}`);
  }

  /**
   * Stops accepting, lets what is under way finish for at most `timeoutMs`, then closes every connection. Requests that
   * still arrive on open connections meanwhile are answered, and their connections closed.
   */
  async drain(timeoutMs: number): Promise<DrainResult> {
    const { site } = this;
    const before = site.counters.active;
    site.draining = true;
    for (const socket of this.#sockets.splice(0)) us_listen_socket_close(socket);
    for (const path of this.#paths.splice(0)) rmSync(path, { force: true });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      site.onIdle = () => {
        if (site.counters.active > 0) return;
        clearTimeout(timer);
        resolve();
      };
      site.onIdle();
    });
    site.onIdle = () => undefined;
    const cut = site.counters.active;
    // A turn of the loop, so that what was just written leaves uWebSockets.js' buffers.
    await new Promise((resolve) => setImmediate(resolve));
    this.#app.close();
    return { finished: Math.max(0, before - cut), cut };
  }
}
