/** Errors, with the mount's own page where there is one. */
import { catalogue, type RequestErrorCode } from '../errors.js';
import type { Exchange } from './exchange.js';
import { errorPageReply, errorReply, keptPageReply, release } from './reply.js';

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
      exchange.guard(() => {
        if (!result.ok || result.stat.type !== 'file') {
          if (result.ok) release(result);
          plain();
          return;
        }
        const representation = { mount, name: page, encoding: null, compressed: false };
        exchange.reply(errorPageReply(code, result, representation, isHead));
      }),
    ),
  );
}
