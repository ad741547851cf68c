/** The uWebSockets.js listeners of one worker, and their end. */

import {
  App,
  type HttpResponse,
  type us_listen_socket,
  us_listen_socket_close,
} from 'uWebSockets.js';
import { chmodSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
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

/** What of the process's descriptors uWebSockets.js does not tell. */
export interface Descriptors {
  listeningSockets(): number[];
  /** Puts the socket behind `other` behind `fd` too. */
  replaceSocket(fd: number, other: number): boolean;
}

/** How connections end when their server does. */
export type Ending =
  /** Idle ones are closed as soon as no request is under way. */
  | 'stop'
  /**
   * Others serve on the same addresses: a connection is closed with the answer to its next request, which says so, or by
   * uWebSockets.js once it has been idle for 10 s. Closed at any other time, it could meet a request on its way.
   */
  | 'retire';

export class HttpServer {
  readonly #app = App();
  readonly #sockets: us_listen_socket[] = [];
  #connections = 0;
  #accepted = 0;
  #ending: Ending | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isLate = false;

  constructor(
    private readonly site: Site,
    private readonly descriptors: Descriptors,
  ) {
    const countConnection = (res: HttpResponse, change: number): void => {
      if (change > 0) {
        this.site.clients.opened(res);
        this.site.quick?.attach(res);
      } else {
        this.site.clients.closed(res);
      }
      this.#connections += change;
      if (change > 0) this.#accepted += change;
      if (this.#ending !== null) this.site.onIdle();
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

  /**
   * Opens a listener; `path` is that of a unix socket, of this worker: who started it removes the file. `inherited` is the descriptor of the socket that is
   * to be used instead of a new one; it stays the caller's. Returns the listener's own. Throws ListenError.
   */
  listen(address: ListenAddress, path: string, inherited: number | null): number {
    const before = new Set(this.descriptors.listeningSockets());
    const isOpen = inherited === null ? this.#open(address, path) : this.#listenTcp('127.0.0.1', 0);
    const fd = this.descriptors.listeningSockets().find((each) => !before.has(each));
    if (!isOpen || fd === undefined) throw new ListenError(`cannot listen on ${address.text}`);
    // Before the loop has seen the socket that uWebSockets.js has made, which only was to have a descriptor.
    if (inherited !== null && !this.descriptors.replaceSocket(fd, inherited)) {
      throw new ListenError(`cannot take over ${address.text}`);
    }
    return fd;
  }

  #open(address: ListenAddress, path: string): boolean {
    if (address.kind === 'tcp') return this.#listenTcp(address.host, address.port);
    let isOpen = false;
    this.#app.listen_unix((socket) => {
      isOpen = this.#keep(socket);
    }, path);
    if (isOpen) chmodSync(path, SOCKET_MODE);
    return isOpen;
  }

  #listenTcp(host: string, port: number): boolean {
    let isOpen = false;
    const keep = (socket: us_listen_socket | false): void => {
      isOpen = this.#keep(socket);
    };
    if (host === '') this.#app.listen(port, keep);
    else this.#app.listen(host, port, keep);
    return isOpen;
  }

  #keep(socket: us_listen_socket | false): boolean {
    if (socket) this.#sockets.push(socket);
    return Boolean(socket);
  }

  /**
   * Stops accepting, and lets what is under way finish for at most `timeoutMs`; then closes every connection. Requests that
   * still arrive on open connections meanwhile are answered, and their connections closed. Once only; `hurry` hastens it.
   */
  async drain(timeoutMs: number, ending: Ending): Promise<DrainResult> {
    const { site } = this;
    const before = site.counters.active;
    site.draining = true;
    site.quick?.stop();
    this.#ending = ending;
    const isDone = new Promise<void>((resolve) => {
      site.onIdle = () => {
        if (this.#isBusy()) return;
        if (this.#timer) clearTimeout(this.#timer);
        resolve();
      };
    });
    this.#setDeadline(timeoutMs);
    await this.#stopAccepting();
    site.onIdle();
    await isDone;
    site.onIdle = () => undefined;
    const cut = site.counters.active;
    // A turn of the loop, so that what was just written leaves uWebSockets.js' buffers.
    await nextTurn();
    this.#app.close();
    return { finished: Math.max(0, before - cut), cut };
  }

  /** Of a drain that is under way: it has become a stop, and has at most `timeoutMs` more. */
  hurry(timeoutMs: number): void {
    this.#ending = 'stop';
    this.#setDeadline(timeoutMs);
    this.site.onIdle();
  }

  #isBusy(): boolean {
    if (this.#isLate) return false;
    // As long as it accepts there may be another connection in a moment.
    if (this.#sockets.length > 0 || this.site.counters.active > 0) return true;
    return this.#ending === 'retire' && this.#connections > 0;
  }

  #setDeadline(timeoutMs: number): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isLate = true;
      this.site.onIdle();
    }, timeoutMs);
  }

  async #stopAccepting(): Promise<void> {
    // The kernel resets what waits to be accepted when a socket is closed. The first turn of the loop may be under way; the
    // second accepts all there is, and this goes on right behind it.
    await nextTurn();
    await nextTurn();
    for (const socket of this.#sockets.splice(0)) us_listen_socket_close(socket);
  }
}
