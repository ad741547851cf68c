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

/** What others are told, once each. */
export interface ClientListener {
  /** A connection was opened: nothing is known of it yet. */
  opened(res: HttpResponse): void;
  /** Who it comes from; '' for a unix socket's. */
  peerFound(res: HttpResponse, address: string, isTrusted: boolean): void;
  /** The client that a trusted peer speaks for where its request has one X-Forwarded-For, of this value. */
  clientFound(peer: string, forwardedFor: string, client: string): void;
  /** All that `clientFound` told: others have their turn. */
  clientsForgotten(): void;
}

const HEADER = 'x-forwarded-for';
/** At most so many clients behind proxies are remembered, by values of at most so many letters. */
const MOST_CLIENTS = 4096;
const LONGEST_VALUE = 256;
const ASCII = /^[ -~]*$/;

/**
 * Asking for a peer's address is a system call, and costs a tenth and more of an answer from memory. So it is done once for
 * each connection, with its first request that needs it. A PROXY header is what its connection began with, for the same
 * reason that it is trusted: uWebSockets.js takes one in front of any request, and what comes later comes from the client.
 */
export class Clients {
  readonly #peers = new Map<number, Peer>();
  /** Of those that were told, by peer and value. */
  readonly #told = new Set<string>();

  /** `trust`: null where nobody is trusted. */
  constructor(
    private readonly socketOf: SocketOf,
    private readonly trust: Trust | null,
    private readonly listener: ClientListener | null = null,
  ) {}

  /** The client's address; '' for a unix socket's. Not of a response that has ended or was aborted. `fields`: see `Has`. */
  of(res: HttpResponse, req: HttpRequest, fields: number): string {
    const { trust } = this;
    const { isTrusted, address } = this.#peerOf(res);
    if (!isTrusted || trust === null) return address;
    // Only going through all headers tells that there is another one.
    if ((fields & Has.forwardedFor) === 0) return address;
    const values: string[] = [];
    req.forEach((name, value) => {
      if (name === HEADER) values.push(value);
    });
    const client = clientBehind(address, values.join(','), trust);
    if (values.length === 1) this.#tell(address, values[0] ?? '', client);
    return client;
  }

  #tell(peer: string, forwardedFor: string, client: string): void {
    if (!this.listener || forwardedFor.length > LONGEST_VALUE || !ASCII.test(forwardedFor)) return;
    const key = `${peer}\n${forwardedFor}`;
    if (this.#told.has(key)) return;
    if (this.#told.size >= MOST_CLIENTS) {
      this.#told.clear();
      this.listener.clientsForgotten();
    }
    this.#told.add(key);
    this.listener.clientFound(peer, forwardedFor, client);
  }

  /** Whether the peer, not who is behind it, is a trusted proxy. */
  isTrusted(res: HttpResponse): boolean {
    return this.trust !== null && this.#peerOf(res).isTrusted;
  }

  /** Its connection was opened. */
  opened(res: HttpResponse): void {
    this.closed(res);
    this.listener?.opened(res);
  }

  /** Its connection was closed. */
  closed(res: HttpResponse): void {
    if (this.#peers.size > 0) this.#peers.delete(this.socketOf(res));
  }

  #peerOf(res: HttpResponse): Peer {
    const socket = this.socketOf(res);
    const known = this.#peers.get(socket);
    if (known !== undefined) return known;
    const peer = this.#ask(res);
    if (socket === 0) return peer;
    this.#peers.set(socket, peer);
    this.listener?.peerFound(res, peer.address, peer.isTrusted);
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
