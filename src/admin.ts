import { renameSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { dirname, join } from 'node:path';
import type { ListenAddress } from './config/types.js';
import type { Page } from './observe/exposition.js';
import { errnoOf, type Logger } from './observe/log.js';
import { listenProblem, type Problem, socketState } from './preflight.js';
import type { Readiness } from './readiness.js';
import { recent, singleFlight } from './single_flight.js';
import { handleOf, type SocketHandle } from './sockets.js';
import { asksForPage, statusJson } from './status/answer.js';
import type { StatusReport } from './status/report.js';

/** What the admin listener shows. */
export interface AdminSource {
  /** Whether at least one worker answers requests. */
  isHealthy(): boolean;
  /** Whether requests should be sent here, and what is missing. */
  readiness(): Readiness;
  /** All metrics, in the form that an Accept header wants. */
  metrics(accept: string | undefined): Promise<Page>;
  /** Asked for at most once at a time, however many ask. */
  status(): Promise<StatusReport>;
}

export interface AdminServer {
  /** Stops listening and closes every connection. */
  close(): void;
  /** The same where another process listens on the socket: its file stays, and what is being answered is finished. */
  leave(): void;
  /** What it listens on, for another process; stays this one's. */
  readonly socket: SocketHandle | null;
}

const HEADERS_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 64;
const MAX_HEADER_BYTES = 8192;
/** How old the status may be that pages get. */
const STATUS_AGE_MS = 900;
const VARY = { Vary: 'Accept' } as const;

/**
 * The listener for people and monitoring, in the supervisor, for the paths below. Whatever happens to it is logged at most;
 * the service goes on. Resolves when it listens, or with why it can't. An `inherited` socket of that address is this one's from
 * then on.
 */
export async function startAdmin(
  address: ListenAddress,
  source: AdminSource,
  log: Logger,
  inherited: SocketHandle | null = null,
): Promise<AdminServer | Problem> {
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, connectionsCheckingInterval: 1000 },
    handler(source, log),
  );
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.setTimeout(REQUEST_TIMEOUT_MS);
  server.maxConnections = MAX_CONNECTIONS;
  server.on('clientError', (_error, socket) => socket.destroy());
  const errno = await (inherited ? listenOn(server, inherited) : listen(server, address));
  if (errno !== null) return listenProblem('[admin]', address, errno);
  server.on('error', (err) => log.error('the admin listener failed', { err }));
  return {
    close: () => {
      server.close();
      server.closeAllConnections();
      if (address.kind === 'unix') rmSync(address.path, { force: true });
    },
    leave: () => {
      server.close();
      server.closeIdleConnections();
    },
    get socket() {
      return handleOf(server);
    },
  };
}

/** null, or the errno of what went wrong. */
async function listen(server: Server, address: ListenAddress): Promise<string | null> {
  if (address.kind === 'tcp') {
    const { host, port } = address;
    return await listening(server, (done) => server.listen({ host, port, exclusive: true }, done));
  }
  const { path } = address;
  const state = await socketState(path);
  if (state !== 'stale' && state !== 'free') return state;
  // Node removes the path that it has listened on when it closes, and by then it may be another process's.
  const temporary = join(dirname(path), `.${process.pid.toString(36)}`);
  rmSync(temporary, { force: true });
  const errno = await listening(server, (done) =>
    server.listen({ path: temporary, exclusive: true }, done),
  );
  if (errno !== null) return errno;
  try {
    renameSync(temporary, path);
    return null;
  } catch (e) {
    server.close();
    return errnoOf(e);
  }
}

/** Of a unix socket Node makes a second object of the same descriptor, closed with the server: the first is never to be. */
function listenOn(server: Server, socket: SocketHandle): Promise<string | null> {
  return listening(server, (done) => server.listen(socket, done));
}

function listening(server: Server, start: (done: () => void) => void): Promise<string | null> {
  return new Promise((resolve) => {
    server.once('error', (e) => resolve(errnoOf(e)));
    start(() => {
      server.removeAllListeners('error');
      resolve(null);
    });
  });
}

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const text = (status: number, body: string): Reply => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${body}\n`,
});

const PATHS = ['/healthz', '/readyz', '/metrics', '/status', '/status.json'] as const;

type Path = (typeof PATHS)[number];

const NOTHING_ELSE = `there are ${PATHS.join(', ')}`;

const isPath = (path: string): path is Path => PATHS.some((each) => each === path);

function handler(source: AdminSource, log: Logger): RequestListener {
  const ask = singleFlight(() => source.status());
  // Pages ask again and again, and there may be many: the workers are asked once a second for all of them.
  const askSeldom = recent(STATUS_AGE_MS, ask);
  const answer = async (path: Path, accept: string | undefined): Promise<Reply> => {
    switch (path) {
      case '/healthz':
        return source.isHealthy() ? text(200, 'ok') : text(503, 'no worker is ready');
      case '/readyz': {
        const { ready, text: words } = source.readiness();
        return text(ready ? 200 : 503, words);
      }
      case '/metrics':
        return { status: 200, headers: VARY, ...(await source.metrics(accept)) };
      case '/status': {
        if (!asksForPage(accept)) return { status: 200, headers: VARY, ...statusJson(await ask()) };
        // At the first look: most servers are never looked at.
        const { statusPage } = await import('./status/page.js');
        const { headers, ...page } = statusPage(await askSeldom());
        return { status: 200, headers: { ...VARY, ...headers }, ...page };
      }
      case '/status.json':
        return { status: 200, ...statusJson(await askSeldom()) };
      default:
        return path satisfies never;
    }
  };
  const reply = async ({ method = '', headers, url = '' }: IncomingMessage): Promise<Reply> => {
    if (method !== 'GET' && method !== 'HEAD') return text(405, 'only GET and HEAD are answered');
    const [path = ''] = url.split('?');
    return isPath(path) ? await answer(path, headers.accept) : text(404, NOTHING_ELSE);
  };
  return (request, response) => {
    request.resume();
    reply(request)
      .catch((err: unknown) => {
        log.error('the admin listener could not answer', { err });
        return text(500, 'internal error');
      })
      .then(({ status, type, body, headers }) => {
        response.writeHead(status, {
          'Content-Type': type,
          'Content-Length': Buffer.byteLength(body),
          'Cache-Control': 'no-store',
          ...headers,
          ...(status === 405 ? { Allow: 'GET, HEAD' } : {}),
        });
        response.end(body);
      })
      .catch((err: unknown) => log.error('the admin listener could not answer', { err }));
  };
}
