/** One request and its answer: ends exactly once, whatever client and storage do. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { AccessLog } from '../observe/access_log.js';
import type { Logger } from '../observe/log.js';
import type { CacheOutcome } from '../observe/request_counters.js';
import type { CacheNote, Cancel, StorageError } from '../storage/storage.js';
import { cacheStatus } from './cache_status.js';
import type { Clients } from './clients.js';
import type { HotAnswers } from './hot.js';
import type { KeptPages } from './kept_pages.js';
import type { ListingMemory } from './listing_source.js';
import type { QuickAnswers } from './quick.js';
import { errorReply, type Reply, requestError } from './reply.js';
import type { Request, Wanted } from './request.js';
import type { Mount, Router } from './route.js';
import type { Transfers } from './transfer.js';
import { send } from './writer.js';

export interface Site {
  readonly router: Router;
  readonly wanted: Wanted;
  readonly transfers: Transfers;
  readonly pages: KeptPages;
  readonly listings: ListingMemory;
  /** null: there is no cache. */
  readonly hot: HotAnswers | null;
  /** null: nothing is seen of a request before uWebSockets.js has. */
  readonly quick: QuickAnswers | null;
  /** null: no access log. */
  readonly accessLog: AccessLog | null;
  readonly clients: Clients;
  /** Which fields a request has, as `Has` in fields.ts; within its handler. */
  readonly fieldsOf: (req: HttpRequest) => number;
  readonly log: Logger;
  readonly counters: Counters;
  /** Who is told by Cache-Status (RFC 9211) how an answer came about: everybody, or trusted proxies. */
  readonly cacheStatus: 'all' | 'trusted' | null;
  /** Makes the next boundary of a multipart answer. */
  readonly nextBoundary: () => string;
  /** Set when the server is being stopped: every answer then ends its connection. */
  draining: boolean;
  /** Called whenever a request has ended. */
  onIdle: () => void;
}

export interface Counters {
  total: number;
  active: number;
}

export class Exchange {
  mount: Mount | null = null;
  /** A volume was asked for it. */
  forwarded = false;
  /** What the cache in front of the volume says of it. */
  cache: CacheNote | null = null;
  /** Its path is the file's: no rule has put another in its place. */
  direct = false;
  /** What to call when the client goes away: stops the storage call, later the transfer. */
  #onAbort: (() => void) | null = null;
  #aborted = false;
  #status = 0;
  /** When the first bytes of the answer went out; null: they have not. */
  #begunMs: number | null = null;
  readonly #startedMs: number;
  readonly #begin = performance.now();
  readonly #tellsCacheStatus: boolean;

  constructor(
    readonly site: Site,
    private readonly res: HttpResponse,
    readonly request: Request,
    /** Its address; '' where no line in the log needs it. */
    private readonly client: string,
  ) {
    site.counters.total += 1;
    site.counters.active += 1;
    this.#startedMs = site.accessLog ? Date.now() : 0;
    // Now, as an aborted response can't be asked any more.
    this.#tellsCacheStatus = tellsCacheStatus(site, res);
    res.onAborted(() => this.#abort());
  }

  /** How long the client has been waiting, for calls after the first: the deadline is that of the whole request. */
  get waitedMs(): number {
    return performance.now() - this.#begin;
  }

  get isHead(): boolean {
    return this.request.method === 'HEAD';
  }

  /** The storage is at work: `cancel` is called if the client goes away meanwhile. */
  waitFor(cancel: Cancel): void {
    this.forwarded = true;
    if (!this.#aborted && this.#status === 0) this.#onAbort = cancel;
  }

  /**
   * Answers. Takes over what the reply holds. `failed` is called where its body can't be had before any of it was sent: it
   * has to answer in another way.
   */
  reply(reply: Reply, failed?: (error: StorageError) => void): void {
    this.#status = reply.status;
    const close = this.site.draining || this.request.hasBody || reply.status === 405;
    this.#onAbort = null;
    // Whoever gets a stale answer is told so.
    const tells = this.#tellsCacheStatus || this.cache?.outcome === 'stale';
    const note = tells ? cacheStatus(this.cache, this.forwarded) : '';
    const told = tells ? { ...reply, head: `${reply.head}\r\nCache-Status: ${note}` } : reply;
    this.#onAbort = send(this.res, told, {
      close,
      waitedMs: this.waitedMs,
      transfers: this.site.transfers,
      outcome: {
        began: () => {
          this.#begunMs = performance.now();
        },
        sent: (bytes, complete) => this.#end(bytes, complete),
        failed: (error) => {
          this.#onAbort = null;
          this.#status = 0;
          if (failed) failed(error);
          else this.reply(errorReply(requestError(error.code), this.mount, this.isHead));
        },
      },
    });
  }

  /** A bug in what follows an answer of the storage must not end the process. */
  guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.bug(error);
    }
  }

  /** A bug was met: the client gets 500 if nothing was sent, and the log the stack. */
  bug(error: unknown): void {
    this.site.log.error('a request met a bug', {
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    if (this.#status === 0 && !this.#aborted) {
      this.reply(errorReply('GFS_INTERNAL', this.mount, this.isHead));
    } else if (!this.#aborted) {
      this.res.close();
    }
  }

  #abort(): void {
    this.#aborted = true;
    const sending = this.#status !== 0;
    this.#onAbort?.();
    this.#onAbort = null;
    if (!sending) this.#end(0, false);
  }

  #end(bytes: number, complete: boolean): void {
    const { site, request, mount } = this;
    const durationMs = performance.now() - this.#begin;
    site.counters.active -= 1;
    // As nginx logs it: the client closed before the answer began.
    if (this.#begunMs === null) this.#status = 499;
    this.#count(bytes, complete, durationMs);
    site.accessLog?.record({
      client: this.client,
      method: request.method,
      target: request.target,
      host: request.host,
      status: this.#status,
      bytes,
      startedMs: this.#startedMs,
      durationMs,
      referer: request.referer,
      userAgent: request.userAgent,
      cache: this.#cacheOutcome(),
      mount: mount?.name ?? null,
      volume: mount?.storage.name ?? null,
    });
    if (site.draining) site.onIdle();
  }

  #count(bytes: number, complete: boolean, durationMs: number): void {
    const { site, request, mount } = this;
    (mount?.counters ?? site.router.unmounted).ended({
      method: request.method,
      status: this.#status,
      outcome: this.#status >= 500 ? 'error' : this.#cacheOutcome(),
      bytes,
      complete,
      firstByteMs: this.#begunMs === null ? null : this.#begunMs - this.#begin,
      durationMs,
    });
  }

  #cacheOutcome(): CacheOutcome {
    return this.cache?.outcome ?? (this.forwarded ? 'bypass' : 'none');
  }
}

/** Whether this peer is told by Cache-Status how answers came about. */
export function tellsCacheStatus({ cacheStatus, clients }: Site, res: HttpResponse): boolean {
  return cacheStatus !== null && (cacheStatus === 'all' || clients.isTrusted(res));
}
