import { rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { ListenAddress } from './config/types.js';
import { errnoOf, type Logger } from './observe/log.js';
import { listenProblem, type Problem, socketState } from './preflight.js';

/** What the admin listener shows. */
export interface AdminSource {
  /** Whether at least one worker answers requests. */
  isHealthy(): boolean;
  /** Becomes JSON. Asked for at most once at a time, however many ask. */
  status(): Promise<unknown>;
}

export interface AdminServer {
  /** Stops listening and closes every connection. */
  close(): void;
}

const HEADERS_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 64;
const MAX_HEADER_BYTES = 8192;

/**
 * The listener for people and monitoring, in the supervisor: `/healthz` and `/status`. Whatever happens to it is logged
 * at most; the service goes on. Resolves when it listens, or with why it can't.
 */
export async function startAdmin(
  address: ListenAddress,
  source: AdminSource,
  log: Logger,
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
  const errno = await listen(server, address);
  if (errno !== null) return listenProblem('[admin]', address, errno);
  server.on('error', (err) => log.error('the admin listener failed', { err }));
  return {
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** null, or the errno of what went wrong. */
async function listen(server: Server, address: ListenAddress): Promise<string | null> {
  if (address.kind === 'unix') {
    const state = await socketState(address.path);
    if (state === 'stale') rmSync(address.path, { force: true });
    else if (state !== 'free') return state;
  }
  return await new Promise((resolve) => {
    server.once('error', (e) => resolve(errnoOf(e)));
    const done = () => {
      server.removeAllListeners('error');
      resolve(null);
    };
    if (address.kind === 'unix') server.listen({ path: address.path, exclusive: true }, done);
    else server.listen({ host: address.host, port: address.port, exclusive: true }, done);
  });
}

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const text = (status: number, body: string): Reply => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${body}\n`,
});

function handler(source: AdminSource, log: Logger): RequestListener {
  const ask = singleFlight(() => source.status());
  const reply = async (method: string, path: string): Promise<Reply> => {
    if (method !== 'GET' && method !== 'HEAD') return text(405, 'only GET and HEAD are answered');
    if (path === '/healthz') {
      return source.isHealthy() ? text(200, 'ok') : text(503, 'no worker is ready');
    }
    if (path !== '/status') return text(404, 'there are /healthz and /status');
    const body = `${JSON.stringify(await ask(), null, 2)}\n`;
    return { status: 200, type: 'application/json', body };
  };
  return (request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    request.resume();
    reply(request.method ?? '', path)
      .catch((err: unknown) => {
        log.error('the admin listener could not answer', { err });
        return text(500, 'internal error');
      })
      .then(({ status, type, body }) => {
        response.writeHead(status, {
          'Content-Type': type,
          'Content-Length': Buffer.byteLength(body),
          'Cache-Control': 'no-store',
          ...(status === 405 ? { Allow: 'GET, HEAD' } : {}),
        });
        response.end(body);
      })
      .catch((err: unknown) => log.error('the admin listener could not answer', { err }));
  };
}

/** Calls that come while one is under way get its result. */
function singleFlight<T>(call: () => Promise<T>): () => Promise<T> {
  let flight: Promise<T> | null = null;
  return () => {
    flight ??= call().finally(() => {
      flight = null;
    });
    return flight;
  };
}
