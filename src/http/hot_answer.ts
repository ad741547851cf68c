/** Sends what hot.ts keeps. */

import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { performance } from 'node:perf_hooks'; // the global is looked up anew each time, which shows in a profile
import type { AccessEntry } from '../observe/access_log.js';
import type { MountCounters } from '../observe/request_counters.js';
import { cacheStatus } from './cache_status.js';
import { type Site, targetOf, tellsCacheStatus } from './exchange.js';
import { decide, type HotAnswer, type HotAnswers, type Whole } from './hot.js';
import { Transfer } from './transfer.js';
import { ONE_CALL } from './writer.js';

/** Answers a GET from memory, inside the handler's own cork. false: it has to take the long way; nothing was done. */
export function answerHot(
  site: Site,
  hot: HotAnswers,
  res: HttpResponse,
  req: HttpRequest,
): boolean {
  const url = req.getUrl();
  const answer = hot.find(req, url);
  if (answer === undefined || site.draining) return false;
  const decision = decide(answer, req);
  if (decision === null) return false;
  const nowMs = performance.now();
  if (!answer.remembered.take(nowMs)) {
    // A look may show that it has not changed: then it is the answer again.
    if (!answer.remembered.alive) hot.drop(answer, req, url);
    return false;
  }
  site.counters.total += 1;
  const line = site.accessLog ? lineOf(site, answer, res, req, url) : null;
  const note = site.cacheStatus && tellsCacheStatus(site, res) ? hitNote(answer, nowMs) : '';
  const { counters: mount } = answer.representation.mount;
  if (decision !== 'whole') {
    res.writeStatus(note === '' ? decision : decision.toString() + note);
    res.endWithoutBody();
    const durationMs = performance.now() - nowMs;
    mount.hot.notModified += 1;
    mount.hot.durations.observe(durationMs);
    if (line) record(site, line, 304, 0, durationMs);
    return true;
  }
  // `decide` says so only where there is one.
  if (answer.whole) sendWhole(site, res, answer.whole, { mount, note, nowMs, line });
  return true;
}

function hitNote({ remembered }: HotAnswer, nowMs: number): string {
  const note = { outcome: 'hit', ttlMs: remembered.ttlMs(nowMs), collapsed: false } as const;
  return `\r\nCache-Status: ${cacheStatus(note, false)}`;
}

/** What is known at the end alone is set then: another object would be made for it. */
type Line = { -readonly [key in keyof AccessEntry]: AccessEntry[key] };

/** Copies out of the request what its line in the access log says. */
function lineOf(
  site: Site,
  answer: HotAnswer,
  res: HttpResponse,
  req: HttpRequest,
  url: string,
): Line {
  const { mount } = answer.representation;
  const { getHeader } = req; // loaded once, as in `decide`
  return {
    client: site.clients.of(res, req),
    method: 'GET',
    target: targetOf(url, req.getQuery() ?? ''),
    host: getHeader.call(req, 'host'),
    startedMs: Date.now(),
    referer: getHeader.call(req, 'referer'),
    userAgent: getHeader.call(req, 'user-agent'),
    cache: 'hit',
    mount: mount.name,
    volume: mount.storage.name,
    status: 0,
    bytes: 0,
    durationMs: 0,
  };
}

function record(site: Site, line: Line, status: number, bytes: number, durationMs: number): void {
  line.status = status;
  line.bytes = bytes;
  line.durationMs = durationMs;
  site.accessLog?.record(line);
}

interface Accounts {
  readonly mount: MountCounters;
  /** For the head. */
  readonly note: string;
  /** When it was found, by performance.now(). */
  readonly nowMs: number;
  readonly line: Line | null;
}

function sendWhole(site: Site, res: HttpResponse, whole: Whole, accounts: Accounts): void {
  const { head, kept } = whole;
  const { mount, note, nowMs, line } = accounts;
  const { bytes } = kept;
  if (head.length + note.length + bytes.length > ONE_CALL) {
    sendLarge(site, res, whole, accounts);
    return;
  }
  res.writeStatus(note === '' ? head : head.toString() + note);
  res.end(bytes);
  mount.hot.whole += 1;
  mount.hot.bytes += bytes.length;
  const durationMs = performance.now() - nowMs;
  mount.hot.durations.observe(durationMs);
  if (line) record(site, line, 200, bytes.length, durationMs);
}

/** More than goes out in one call: the client may not take it all at once. */
function sendLarge(site: Site, res: HttpResponse, { kept, head }: Whole, accounts: Accounts): void {
  const { mount, note, nowMs, line } = accounts;
  const { bytes } = kept;
  const { length } = bytes;
  res.writeStatus(note === '' ? head : head.toString() + note);
  const [, done] = res.tryEnd(bytes, length);
  const firstByteMs = performance.now() - nowMs;
  if (done) {
    mount.hot.whole += 1;
    mount.hot.bytes += length;
    mount.hot.durations.observe(firstByteMs);
    if (line) record(site, line, 200, length, firstByteMs);
    return;
  }
  const body = {
    length,
    pieces: [{ kind: 'file', offset: 0, length } as const],
    chunk: kept.lend(),
    chunkOffset: 0,
    file: null,
  };
  site.counters.active += 1;
  const outcome = {
    began: (): void => {
      throw new Error('it has begun already');
    },
    sent: (count: number, complete: boolean): void => {
      site.counters.active -= 1;
      const durationMs = performance.now() - nowMs;
      const request = { method: 'GET', status: 200, outcome: 'hit', bytes: count } as const;
      mount.ended({ ...request, complete, firstByteMs, durationMs });
      if (line) record(site, line, 200, count, durationMs);
      if (site.draining) site.onIdle();
    },
    failed: (): void => {
      throw new Error('what is in memory can not fail');
    },
  };
  const transfer = new Transfer(res, '', body, site.transfers, outcome);
  transfer.resume(res.getWriteOffset());
  res.onAborted(() => transfer.abort());
}
