/** The whole story of a request. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { AccessLog } from '../observe/access_log.js';
import type { Logger } from '../observe/log.js';
import type { Cancel } from '../storage/storage.js';
import { hasHiddenSegment, parsePath } from './path.js';
import { errorReply, fileReply, optionsReply, type Reply } from './reply.js';
import { type Request, readRequest, type Wanted } from './request.js';
import { candidatesFor } from './resolve.js';
import type { Mount, Router } from './route.js';
import type { Transfers } from './transfer.js';
import { send } from './writer.js';

export interface Site {
  readonly router: Router;
  readonly wanted: Wanted;
  readonly transfers: Transfers;
  /** null: no access log. */
  readonly accessLog: AccessLog | null;
  readonly log: Logger;
  readonly counters: Counters;
  /** Set when the server is being stopped: every answer then ends its connection. */
  draining: boolean;
  /** Called whenever a request has ended. */
  onIdle: () => void;
}

export interface Counters {
  total: number;
  active: number;
}

/** Called by uWebSockets.js for every request. Must not throw: that would end the process. */
export function handle(site: Site, res: HttpResponse, req: HttpRequest): void {
  const exchange = new Exchange(site, res, readRequest(req, site.wanted));
  try {
    answer(exchange);
  } catch (error) {
    exchange.fail(error);
  }
}

function answer(exchange: Exchange): void {
  const { request, site } = exchange;
  const isHead = request.method === 'HEAD';
  if (request.method === 'OPTIONS') {
    exchange.reply(optionsReply());
    return;
  }
  if (request.method !== 'GET' && !isHead) {
    exchange.reply(errorReply('GFS_METHOD_NOT_ALLOWED', false));
    return;
  }

  const parsed = parsePath(request.url);
  if (!parsed.ok) {
    exchange.reply(errorReply(parsed.code, isHead));
    return;
  }
  const { path } = parsed;

  const mount = site.router.match(request.host, path);
  if (!mount) {
    exchange.reply(errorReply('GFS_NO_MOUNT', isHead));
    return;
  }
  exchange.mount = mount;
  if (mount.hidden === 'deny' && hasHiddenSegment(path)) {
    exchange.reply(errorReply('GFS_NOT_FOUND', isHead));
    return;
  }

  const candidates = candidatesFor(mount, path);
  const wanted = { root: mount.root, candidates, body: !isHead };
  exchange.waitFor(
    mount.storage.open(wanted, (result) => {
      exchange.reply(fileReply(result, mount, path, candidates, request.query, isHead));
    }),
  );
}

/** One request and its answer: ends exactly once, whatever client and storage do. */
class Exchange {
  mount: Mount | null = null;
  /** What to call when the client goes away: stops the storage call, later the transfer. */
  #onAbort: (() => void) | null = null;
  #aborted = false;
  #status = 0;
  readonly #startedMs: number;
  readonly #client: string;

  constructor(
    readonly site: Site,
    private readonly res: HttpResponse,
    readonly request: Request,
  ) {
    site.counters.total += 1;
    site.counters.active += 1;
    this.#startedMs = site.accessLog ? Date.now() : 0;
    // A system call, so only for the log; and now, as an aborted response can't be asked any more.
    this.#client = site.accessLog
      ? Buffer.from(res.getRemoteAddressAsText()).toString('latin1')
      : '';
    res.onAborted(() => this.#abort());
  }

  /** The storage is at work: `cancel` is called if the client goes away meanwhile. */
  waitFor(cancel: Cancel): void {
    if (!this.#aborted && this.#status === 0) this.#onAbort = cancel;
  }

  /** Answers. Takes over what the reply holds. */
  reply(reply: Reply): void {
    this.#status = reply.status;
    const close = this.site.draining || this.request.hasBody || reply.status === 405;
    this.#onAbort = null;
    this.#onAbort = send(this.res, reply, close, this.site.transfers, (bytes, complete) =>
      this.#end(bytes, complete),
    );
  }

  /** A bug was met: the client gets 500 if nothing was sent, and the log the stack. */
  fail(error: unknown): void {
    this.site.log.error('a request met a bug', {
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    if (this.#status === 0 && !this.#aborted) {
      this.reply(errorReply('GFS_INTERNAL', this.request.method === 'HEAD'));
    } else if (!this.#aborted) {
      this.res.close();
    }
  }

  #abort(): void {
    this.#aborted = true;
    const sending = this.#status !== 0;
    this.#onAbort?.();
    this.#onAbort = null;
    if (!sending) {
      this.#status = 499; // as nginx logs it: the client closed before there was an answer
      this.#end(0, false);
    }
  }

  #end(bytes: number, _complete: boolean): void {
    const { site, request, mount } = this;
    site.counters.active -= 1;
    if (site.accessLog) {
      site.accessLog.record({
        client: this.#client,
        method: request.method,
        target: request.query === '' ? request.url : `${request.url}?${request.query}`,
        host: request.host,
        status: this.#status,
        bytes,
        startedMs: this.#startedMs,
        durationMs: Date.now() - this.#startedMs,
        referer: request.referer,
        userAgent: request.userAgent,
        mount: mount?.name ?? null,
        volume: mount?.storage.name ?? null,
      });
    }
    if (site.draining) site.onIdle();
  }
}
