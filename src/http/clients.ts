/** Who requests come from: of each connection the peer, and behind a trusted proxy the client that it names. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { addressOf, clientBehind } from './addresses.js';
import { Has } from './fields.js';
import type { Trust } from './trust.js';

/** A number that stands for a response's connection as long as that is open; 0: nothing can be said. */
export type SocketOf = (res: HttpResponse) => number;

interface Peer {
  readonly isTrusted: boolean;
  /** Its address, or what its PROXY header says in place of it. */
  readonly address: string;
}

const HEADER = 'x-forwarded-for';

/**
 * Asking for a peer's address is a system call, and costs a tenth and more of an answer from memory. So it is done once for
 * each connection, with its first request that needs it. A PROXY header is what its connection began with, for the same
 * reason that it is trusted: uWebSockets.js takes one in front of any request, and what comes later comes from the client.
 */
export class Clients {
  readonly #peers = new Map<number, Peer>();

  /** `trust`: null where nobody is trusted. */
  constructor(
    private readonly socketOf: SocketOf,
    private readonly trust: Trust | null,
  ) {}

  /** The client's address; '' for a unix socket's. Not of a response that has ended or was aborted. `fields`: see `Has`. */
  of(res: HttpResponse, req: HttpRequest, fields: number): string {
    const { trust } = this;
    const { isTrusted, address } = this.#peerOf(res);
    if (!isTrusted || trust === null) return address;
    // Only going through all headers tells that there is another one.
    if ((fields & Has.forwardedFor) === 0) return address;
    let forwardedFor = '';
    req.forEach((name, value) => {
      if (name === HEADER) forwardedFor += `${value},`;
    });
    return clientBehind(address, forwardedFor, trust);
  }

  /** Whether the peer, not who is behind it, is a trusted proxy. */
  isTrusted(res: HttpResponse): boolean {
    return this.trust !== null && this.#peerOf(res).isTrusted;
  }

  /** Its connection was opened or closed. */
  changed(res: HttpResponse): void {
    if (this.#peers.size > 0) this.#peers.delete(this.socketOf(res));
  }

  #peerOf(res: HttpResponse): Peer {
    const socket = this.socketOf(res);
    const known = this.#peers.get(socket);
    if (known !== undefined) return known;
    const peer = this.#ask(res);
    if (socket !== 0) this.#peers.set(socket, peer);
    return peer;
  }

  #ask(res: HttpResponse): Peer {
    const address = addressOf(res.getRemoteAddress());
    const isTrusted = this.trust?.(address) ?? false;
    if (!isTrusted) return { isTrusted, address };
    const proxied = addressOf(res.getProxiedRemoteAddress());
    return { isTrusted, address: proxied === '' ? address : proxied };
  }
}
