/** From a path on a mount to the reply: asks the storage, as often as it takes. */
import type {
  Kept,
  Opened,
  OpenFolder,
  OpenResult,
  Remembered,
  StorageError,
} from '../storage/storage.js';
import { answerError } from './answer_error.js';
import { hasPreconditions } from './conditional.js';
import type { Compression, Offer } from './encodings.js';
import type { Exchange } from './exchange.js';
import { prepareListing } from './listing.js';
import { encodePath, encodeQuery } from './path.js';
import { firstByte } from './range.js';
import {
  type Asked,
  contentReply,
  listingReply,
  preconditionReply,
  type Reply,
  type Representation,
  rangeOf,
  redirectReply,
  release,
  requestError,
  variantReply,
} from './reply.js';
import { type Choice, candidatesFor, chosen } from './resolve.js';
import type { Mount } from './route.js';

/** What is being looked for. */
interface Search {
  readonly exchange: Exchange;
  readonly mount: Mount;
  /** Relative to the mount's root. */
  readonly rest: string;
  readonly offers: readonly Offer[];
  readonly choice: Choice;
  readonly asked: Asked;
  /** It is the mount's fallback, so there is none. */
  readonly isFallback: boolean;
}

/** Answers with what `path` (as of parsePath) stands for on `mount`. */
export function answerPath(exchange: Exchange, mount: Mount, path: string): void {
  const offers = mount.encodings(exchange.request.acceptEncoding);
  search(exchange, mount, path.slice(mount.prefix.length), offers, false);
}

function search(
  exchange: Exchange,
  mount: Mount,
  rest: string,
  offers: readonly Offer[],
  isFallback: boolean,
): void {
  const { request, site, isHead } = exchange;
  const { conditions } = request;
  const asked: Asked = {
    isHead,
    conditions,
    nowMs: conditions ? Date.now() : 0,
    nextBoundary: site.nextBoundary,
  };
  const choice = candidatesFor(mount, rest, offers);
  // Most requests with a precondition end in 304: the stat alone is asked for first.
  const statOnly = isHead || (conditions !== null && hasPreconditions(conditions));
  look({ exchange, mount, rest, offers, choice, asked, isFallback }, !statOnly);
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
    mount.storage.open(request, (result) => exchange.guard(() => found(what, result, body))),
  );
}

function found(what: Search, result: OpenResult, withBody: boolean): void {
  const { exchange, mount, choice, asked } = what;
  exchange.cache = result.cache ?? null;
  if (!result.ok) {
    const code = requestError(result.code);
    if (code === 'GFS_NOT_FOUND' && mount.fallback !== null && !what.isFallback) {
      search(exchange, mount, mount.fallback, what.offers, true);
    } else {
      answerError(exchange, code);
    }
    return;
  }
  if (result.stat.type === 'directory') {
    answerFolder(what, result);
    return;
  }
  const { name, form } = chosen(choice, result.candidate);
  const asItIs = { mount, name, encoding: null, compressed: false };
  switch (form.kind) {
    case 'plain':
      answerFile(what, result, asItIs, withBody);
      return;
    case 'sibling':
      answerFile(what, result, { ...asItIs, encoding: form.encoding }, withBody);
      return;
    case 'compress': {
      // What is compressed is never sent in parts: who wants one gets that of the file as it is.
      const isWhole = rangeOf(result.stat, asItIs, asked).kind === 'whole';
      const { encoding, others } = form;
      const instead = { what, opened: result, representation: asItIs, withBody, others };
      if (isWhole && mount.compression.fits(result.stat.size)) answerCompressed(instead, encoding);
      else answerInstead(instead, true);
      return;
    }
    default: {
      const impossible: never = form;
      throw new Error(`unknown form ${String(impossible)}`);
    }
  }
}

/** `isFinal`: the same request would be answered with the same file again. */
function answerFile(
  what: Search,
  opened: Opened,
  representation: Representation,
  withBody: boolean,
  isFinal = true,
): void {
  const { exchange, asked } = what;
  if (!withBody && !asked.isHead) {
    const early = preconditionReply(opened.stat, representation, asked);
    keepNotModified(what, opened.remembered, representation, early);
    if (early) exchange.reply(early);
    else look(what, true);
    return;
  }
  const reply = contentReply(opened, representation, asked);
  if (opened.kept && isFinal) keepHot(what, opened.kept, representation, reply);
  exchange.reply(reply, (error: StorageError) => answerError(exchange, requestError(error.code)));
}

/** A file that may be compressed, as it was found. */
interface Original {
  readonly what: Search;
  readonly opened: Opened;
  /** As it is. */
  readonly representation: Representation;
  readonly withBody: boolean;
  /** There may be siblings that the client likes less. */
  readonly others: boolean;
}

function answerCompressed(original: Original, encoding: Compression): void {
  const { what, opened, withBody } = original;
  const { exchange, asked } = what;
  const { kept = null } = opened;
  const representation = { ...original.representation, encoding, compressed: true };
  const answer = (variant: Kept): void => {
    const reply = variantReply(variant, representation, asked);
    release(opened);
    keepHot(what, variant, representation, reply);
    keepNotModified(what, variant, representation, reply);
    exchange.reply(reply);
  };
  const known = kept?.variant(encoding) ?? 'untried';
  if (known === 'none') {
    answerInstead(original, true);
    return;
  }
  if (known !== 'untried') {
    answer(known);
    return;
  }
  // Who has it already need not wait for it. Any other verdict waits until it is certain that there will be one.
  const early = preconditionReply(opened.stat, representation, asked);
  if (early?.status === 304) {
    release(opened);
    keepNotModified(what, opened.remembered, representation, early);
    exchange.reply(early);
  } else if (!withBody) {
    look(what, true);
  } else if (!kept) {
    answerInstead(original, false);
  } else {
    const cancel = kept.compress(encoding, exchange.waitedMs, (variant) =>
      exchange.guard(() => (variant ? answer(variant) : answerInstead(original, false))),
    );
    exchange.waitFor(() => {
      cancel();
      release(opened);
    });
  }
}

/** The file is not to be compressed: the next best. */
function answerInstead(
  { what, opened, representation, withBody, others }: Original,
  isFinal: boolean,
): void {
  if (!others) {
    answerFile(what, opened, representation, withBody, isFinal);
    return;
  }
  release(opened);
  const { exchange, mount, rest, offers, isFallback } = what;
  const siblings = offers.filter(({ kind }) => kind === 'sibling');
  search(exchange, mount, rest, siblings, isFallback);
}

/** What every plain GET of the same gets, for as long as the file is what it is. */
function keepHot(what: Search, kept: Kept, representation: Representation, reply: Reply): void {
  const { exchange } = what;
  if (!isRepeatable(what, reply)) return;
  exchange.site.hot?.keep(exchange.request, kept, representation, reply.head);
}

/** A 304 goes to whoever asks with the same preconditions. */
function keepNotModified(
  { exchange, asked, isFallback }: Search,
  remembered: Remembered | null | undefined,
  representation: Representation,
  reply: Reply | null,
): void {
  if (!remembered || reply?.status !== 304) return;
  // Who asks for a part may get another representation of the file.
  const isPlain = exchange.direct && !isFallback && !asked.isHead && asked.conditions?.range === '';
  if (!isPlain) return;
  exchange.site.hot?.keepNotModified(exchange.request, remembered, representation, reply.head);
}

/** Whether it is the answer to every plain GET of the same. */
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
      exchange.guard(() => {
        if (listing.kind === 'failed') answerError(exchange, requestError(listing.error.code));
        else {
          const reply = listingReply(listing, format, mount, exchange.isHead);
          exchange.reply(reply, (error) => answerError(exchange, requestError(error.code)));
        }
      }),
    ),
  );
}
