/** The whole story of a request. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { answerError } from './answer_error.js';
import { Exchange, type Site } from './exchange.js';
import { answerPath } from './find.js';
import type { HotAnswers } from './hot.js';
import { answerHot } from './hot_answer.js';
import { hasHiddenSegment, parsePath } from './path.js';
import { optionsReply, redirectReply } from './reply.js';
import { readRequest } from './request.js';
import { findTarget } from './target.js';

/** Called by uWebSockets.js for every GET. Must not throw: that would end the process. */
export function handleGet(site: Site, res: HttpResponse, req: HttpRequest): void {
  const fields = site.fieldsOf(req);
  if (!site.hot || !isAnsweredHot(site, site.hot, res, req, fields)) begin(site, res, req, fields);
}

/** The same for every request. */
export function handle(site: Site, res: HttpResponse, req: HttpRequest): void {
  begin(site, res, req, site.fieldsOf(req));
}

function begin(site: Site, res: HttpResponse, req: HttpRequest, fields: number): void {
  const client = site.accessLog ? site.clients.of(res, req, fields) : '';
  const exchange = new Exchange(site, res, readRequest(req, site.wanted, fields), client);
  try {
    answer(exchange);
  } catch (error) {
    exchange.bug(error);
  }
}

/** The short way, for what is in memory and was asked for before. */
function isAnsweredHot(
  site: Site,
  hot: HotAnswers,
  res: HttpResponse,
  req: HttpRequest,
  fields: number,
): boolean {
  try {
    return answerHot(site, hot, res, req, fields);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    site.log.error('a request met a bug', { error: text });
    res.close();
    return true;
  }
}

function answer(exchange: Exchange): void {
  const { request, site, isHead } = exchange;
  const parsed = parsePath(request.url);

  if (request.method !== 'GET' && !isHead) {
    exchange.mount = parsed.ok ? site.router.match(request.host, parsed.path) : null;
    if (request.method === 'OPTIONS') exchange.reply(optionsReply(exchange.mount));
    else answerError(exchange, 'GFS_METHOD_NOT_ALLOWED');
    return;
  }
  if (!parsed.ok) {
    answerError(exchange, parsed.code);
    return;
  }

  const variables = { host: request.host, args: request.query };
  const target = findTarget(site.router, parsed.path, variables);
  exchange.mount = target.mount;
  switch (target.kind) {
    case 'redirect': {
      const { status, location } = target.redirect;
      exchange.reply(redirectReply(status, location, target.mount, isHead));
      return;
    }
    case 'error':
      if (target.code === 'GFS_REWRITE_LOOP') {
        site.log.error(`mount ${target.mount?.name}: rewrites of this path never end`, {
          path: parsed.path,
        });
      }
      answerError(exchange, target.code);
      return;
    case 'path':
      break;
    default: {
      const impossible: never = target;
      throw new Error(`unknown target ${String(impossible)}`);
    }
  }

  const { mount, path } = target;
  if (mount.hidden === 'deny' && hasHiddenSegment(path)) {
    answerError(exchange, 'GFS_NOT_FOUND');
    return;
  }
  exchange.direct = path === parsed.path;
  answerPath(exchange, mount, path);
}
