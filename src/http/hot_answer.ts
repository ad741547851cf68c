/** Sends what hot.ts keeps. */
// The global of that name is looked up anew each time, which shows in a profile.

import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { performance } from 'node:perf_hooks';
import { cacheStatus } from './cache_status.js';
import { clientOf, type Ended, logRequest, type Site, tellsCacheStatus } from './exchange.js';
import { decide, type HotAnswer, type HotAnswers, type Whole } from './hot.js';
import { readRequest } from './request.js';
import { Transfer } from './transfer.js';
import { ONE_CALL } from './writer.js';

/** Answers a GET from memory, inside the handler's own cork. false: it has to take the long way; nothing was done. */
export function answerHot(
  site: Site,
  hot: HotAnswers,
  res: HttpResponse,
  req: HttpRequest,
): boolean {
  const answer = hot.find(req);
  if (answer === undefined || site.draining) return false;
  const decision = decide(answer, req);
  if (decision === null) return false;
  const nowMs = performance.now();
  if (!answer.remembered.take(nowMs)) {
    // A look may show that it has not changed: then it is the answer again.
    if (!answer.remembered.alive) hot.drop(answer, req);
    return false;
  }
  site.counters.total += 1;
  const ended = site.accessLog ? lineOf(site, answer, res, req) : null;
  const note = site.cacheStatus && tellsCacheStatus(site, res) ? hitNote(answer, nowMs) : '';
  if (decision !== 'whole') {
    res.writeStatus(note === '' ? decision : decision.toString() + note);
    res.endWithoutBody();
    ended?.(304, 0);
    return true;
  }
  // `decide` says so only where there is one.
  if (answer.whole) sendWhole(site, res, answer.whole, note, ended);
  return true;
}

function hitNote({ remembered }: HotAnswer, nowMs: number): string {
  const note = { outcome: 'hit', ttlMs: remembered.ttlMs(nowMs), collapsed: false } as const;
  return `\r\nCache-Status: ${cacheStatus(note, false)}`;
}

type Log = (status: number, bytes: number) => void;

/** Copies out of the request what its line in the access log says. */
function lineOf(site: Site, answer: HotAnswer, res: HttpResponse, req: HttpRequest): Log {
  const request = readRequest(req, site.wanted);
  const fixed: Omit<Ended, 'status' | 'bytes'> = {
    client: clientOf(res),
    startedMs: Date.now(),
    mount: answer.representation.mount,
  };
  return (status, bytes) => logRequest(site, request, { ...fixed, status, bytes });
}

function sendWhole(
  site: Site,
  res: HttpResponse,
  whole: Whole,
  note: string,
  log: Log | null,
): void {
  const { head, kept } = whole;
  const { bytes } = kept;
  if (head.length + note.length + bytes.length > ONE_CALL) {
    sendLarge(site, res, whole, note, log);
    return;
  }
  res.writeStatus(note === '' ? head : head.toString() + note);
  res.end(bytes);
  log?.(200, bytes.length);
}

/** More than goes out in one call: the client may not take it all at once. */
function sendLarge(
  site: Site,
  res: HttpResponse,
  { kept, head }: Whole,
  note: string,
  log: Log | null,
): void {
  const { bytes } = kept;
  const { length } = bytes;
  res.writeStatus(note === '' ? head : head.toString() + note);
  const [, done] = res.tryEnd(bytes, length);
  if (done) {
    log?.(200, length);
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
    sent: (count: number): void => {
      site.counters.active -= 1;
      log?.(200, count);
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
