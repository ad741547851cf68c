/** From a path on a mount to the reply: asks the storage, as often as it takes. */
import { catalogue, type RequestErrorCode } from '../errors.js';
import type { Opened, OpenFolder, OpenResult, StorageError } from '../storage/storage.js';
import { hasPreconditions } from './conditional.js';
import type { Exchange } from './exchange.js';
import { prepareListing } from './listing.js';
import { encodePath, encodeQuery } from './path.js';
import { firstByte } from './range.js';
import {
  type Asked,
  contentReply,
  errorPageReply,
  errorReply,
  keptPageReply,
  listingReply,
  preconditionReply,
  type Reply,
  redirectReply,
  release,
  requestError,
} from './reply.js';
import { type Choice, candidatesFor, chosen } from './resolve.js';
import type { Mount } from './route.js';

/** What is being looked for. */
interface Search {
  readonly exchange: Exchange;
  readonly mount: Mount;
  /** Relative to the mount's root. */
  readonly rest: string;
  readonly choice: Choice;
  readonly asked: Asked;
  /** It is the mount's fallback, so there is none. */
  readonly isFallback: boolean;
}

/** Answers with what `path` (as of parsePath) stands for on `mount`. */
export function answerPath(exchange: Exchange, mount: Mount, path: string): void {
  search(exchange, mount, path.slice(mount.prefix.length), false);
}

function search(exchange: Exchange, mount: Mount, rest: string, isFallback: boolean): void {
  const { request, site, isHead } = exchange;
  const { conditions } = request;
  const asked: Asked = {
    isHead,
    conditions,
    nowMs: conditions ? Date.now() : 0,
    nextBoundary: site.nextBoundary,
  };
  const choice = candidatesFor(mount, rest, mount.encodings(request.acceptEncoding));
  // Most requests with a precondition end in 304: the stat alone is asked for first.
  const statOnly = isHead || (conditions !== null && hasPreconditions(conditions));
  look({ exchange, mount, rest, choice, asked, isFallback }, !statOnly);
}

function look(what: Search, body: boolean): void {
  const { exchange, mount, choice, asked, rest } = what;
  const range = asked.conditions?.range ?? '';
  const listing = mount.autoindex !== 'off' && rest.endsWith('/');
  const from = range === '' ? 0 : firstByte(range);
  const request = {
    root: mount.root,
    candidates: choice.paths,
    body,
    listing,
    from,
    waitedMs: exchange.waitedMs,
  };
  const known = mount.storage.peek(request);
  if (known) {
    found(what, known, body);
    return;
  }
  exchange.waitFor(
    mount.storage.open(request, (result) => guard(exchange, () => found(what, result, body))),
  );
}

/** A bug in what follows an answer of the storage must not end the process. */
function guard(exchange: Exchange, step: () => void): void {
  try {
    step();
  } catch (error) {
    exchange.bug(error);
  }
}

function found(what: Search, result: OpenResult, withBody: boolean): void {
  const { exchange, mount, choice, asked } = what;
  exchange.cache = result.cache ?? null;
  if (!result.ok) {
    const code = requestError(result.code);
    if (code === 'GFS_NOT_FOUND' && mount.fallback !== null && !what.isFallback) {
      search(exchange, mount, mount.fallback, true);
    } else {
      answerError(exchange, code);
    }
    return;
  }
  if (result.stat.type === 'directory') {
    answerFolder(what, result);
    return;
  }
  const representation = { mount, ...chosen(choice, result.candidate) };
  if (!withBody && !asked.isHead) {
    const early = preconditionReply(result.stat, representation, asked);
    if (early) exchange.reply(early);
    else look(what, true);
    return;
  }
  const failed = (error: StorageError): void => answerError(exchange, requestError(error.code));
  const reply = contentReply(result, representation, asked);
  const { hot } = exchange.site;
  if (hot && result.kept && isRepeatable(what, reply)) {
    hot.keep(exchange.request, result.kept, representation, reply.head);
  }
  exchange.reply(reply, failed);
}

/** Whether every plain GET of the same gets this, for as long as the file is what it is. */
function isRepeatable({ exchange, asked, isFallback }: Search, reply: Reply): boolean {
  return (
    reply.status === 200 && exchange.direct && !isFallback && !asked.isHead && !asked.conditions
  );
}

function answerFolder(what: Search, opened: Opened): void {
  const { exchange, mount, rest } = what;
  if (opened.folder && !what.isFallback) {
    answerListing(what, opened.folder);
    return;
  }
  release(opened);
  if (what.isFallback) {
    answerError(exchange, 'GFS_NOT_FOUND');
  } else if (rest.endsWith('/')) {
    answerError(exchange, 'GFS_FORBIDDEN');
  } else {
    // Without its slash, the client's relative links would be wrong. The path begins with exactly one slash, so Location
    // stays on this host whatever the path says.
    const { query } = exchange.request;
    const location = `${encodePath(mount.prefix + rest)}/${query === '' ? '' : `?${encodeQuery(query)}`}`;
    exchange.reply(redirectReply(301, location, mount, exchange.isHead));
  }
}

function answerListing({ exchange, mount, rest }: Search, folder: OpenFolder): void {
  if (mount.autoindex === 'off') throw new Error('a folder was opened that is not to be listed');
  const format = mount.autoindex;
  const request = {
    format,
    path: mount.prefix + rest,
    prefix: mount.prefix,
    query: exchange.request.query,
    storage: mount.storage,
    root: mount.root,
    folderPath: rest,
    links: mount.symlinks !== 'deny',
    hidden: mount.hidden,
  };
  exchange.waitFor(
    prepareListing(folder, request, exchange.site.listings, (listing) =>
      guard(exchange, () => {
        if (listing.kind === 'failed') answerError(exchange, requestError(listing.error.code));
        else {
          const reply = listingReply(listing, format, mount, exchange.isHead);
          exchange.reply(reply, (error) => answerError(exchange, requestError(error.code)));
        }
      }),
    ),
  );
}

/** Answers with the mount's page for the error, where it has one that can be read; else with a line of text. */
export function answerError(exchange: Exchange, code: RequestErrorCode): void {
  const { mount, isHead, site } = exchange;
  const plain = (): void => exchange.reply(errorReply(code, mount, isHead));
  const { status } = catalogue[code];
  const page = mount?.errorPages.get(status);
  if (!mount || page === undefined) {
    plain();
    return;
  }
  if (site.pages.keeps(status)) {
    const kept = site.pages.find(mount, status);
    if (kept) exchange.reply(keptPageReply(code, kept, mount, isHead));
    else plain();
    return;
  }
  const request = {
    root: mount.root,
    candidates: [page],
    body: !isHead,
    listing: false,
    from: 0,
    waitedMs: exchange.waitedMs,
  };
  exchange.waitFor(
    mount.storage.open(request, (result) =>
      guard(exchange, () => {
        if (!result.ok || result.stat.type !== 'file') {
          if (result.ok) release(result);
          plain();
          return;
        }
        const representation = { mount, name: page, encoding: null };
        exchange.reply(errorPageReply(code, result, representation, isHead));
      }),
    ),
  );
}
