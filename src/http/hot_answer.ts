/** Sends what hot.ts keeps. */

import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { performance } from 'node:perf_hooks'; // the global is looked up anew each time, which shows in a profile
import type { AccessEntry, AccessLog, HotEntry } from '../observe/access_log.js';
import type { MountCounters } from '../observe/request_counters.js';
import { cacheStatus } from './cache_status.js';
import { type Site, tellsCacheStatus } from './exchange.js';
import { decide, type HotAnswer, type HotAnswers, type Whole } from './hot.js';
import { targetOf } from './request.js';
import { Transfer } from './transfer.js';
import { ONE_CALL } from './writer.js';

/** Answers a GET from memory, inside the handler's own cork. false: it has to take the long way; nothing was done. `fields`: see `Has`. */
export function answerHot(
  site: Site,
  hot: HotAnswers,
  res: HttpResponse,
  req: HttpRequest,
  fields: number,
): boolean {
  const url = req.getUrl();
  const answer = hot.find(req, url, fields);
  if (answer === undefined || site.draining) return false;
  if (!answer.remembered.alive) {
    hot.drop(answer, req, url, fields);
    return false;
  }
  const decision = decide(answer, req, fields);
  if (decision === null) return false;
  const nowMs = performance.now();
  // A look may show that it has not changed: then it is the answer again.
  if (!answer.remembered.take(nowMs)) return false;
  site.counters.total += 1;
  const { accessLog } = site;
  if (accessLog) answer.shape ??= accessLog.shapeOf(sourceOf(answer));
  const line = accessLog && {
    accessLog,
    answer,
    req,
    client: site.clients.of(res, req, fields),
    startedMs: timeOf(nowMs),
  };
  const note = site.cacheStatus && tellsCacheStatus(site, res) ? hitNote(answer, nowMs) : '';
  const { counters: mount } = answer.representation.mount;
  if (decision !== 'whole') {
    res.writeStatus(note === '' ? decision : decision.toString() + note);
    res.endWithoutBody();
    const durationMs = performance.now() - nowMs;
    mount.hot.sentNotModified(durationMs);
    if (line) record(line, 304, 0, durationMs);
  } else if (answer.whole) {
    // `decide` says so only where there is one.
    sendWhole(site, res, answer.whole, { mount, note, nowMs, line });
  }
  if (site.quick?.wants(answer, nowMs)) site.quick.take(hot.keyOf(req, url, fields), answer, nowMs);
  return true;
}

function hitNote({ remembered }: HotAnswer, nowMs: number): string {
  const note = { outcome: 'hit', ttlMs: remembered.ttlMs(nowMs), collapsed: false } as const;
  return `\r\nCache-Status: ${cacheStatus(note, false)}`;
}

/** The clock is asked this often: a call takes a tenth of what a line in the log does. */
const CLOCK_MS = 100;
let clockMs = Number.NEGATIVE_INFINITY;
let clockOffset = 0;

/** Milliseconds since 1970 of a time of performance.now(), which is now. */
function timeOf(nowMs: number): number {
  if (nowMs - clockMs >= CLOCK_MS) {
    clockMs = nowMs;
    clockOffset = Date.now() - nowMs;
  }
  return Math.floor(clockOffset + nowMs);
}

/** A request that is to have a line in the access log. */
interface Line {
  readonly accessLog: AccessLog;
  readonly answer: HotAnswer;
  readonly req: HttpRequest;
  readonly client: string;
  readonly startedMs: number;
}

/** Within the request's handler. */
function record(line: Line, status: number, bytes: number, durationMs: number): void {
  const { accessLog, answer, req, client, startedMs } = line;
  const entry = { client, status, bytes, startedMs, durationMs };
  if (answer.shape !== null && accessLog.recordHot(answer.shape, req, entry)) return;
  accessLog.record({ ...textsOf(line), ...entry });
}

function sourceOf({ representation: { mount } }: HotAnswer): { mount: string; volume: string } {
  return { mount: mount.name, volume: mount.storage.name };
}

/** Copies out of the request what its line says of it. */
function textsOf({ answer, req }: Line): Omit<AccessEntry, keyof HotEntry> {
  return {
    method: 'GET',
    target: targetOf(req),
    host: req.getHeader('host'),
    referer: req.getHeader('referer'),
    userAgent: req.getHeader('user-agent'),
    cache: 'hit',
    ...sourceOf(answer),
  };
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
  const durationMs = performance.now() - nowMs;
  mount.hot.sentWhole(bytes.length, durationMs);
  if (line) record(line, 200, bytes.length, durationMs);
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
    mount.hot.sentWhole(length, firstByteMs);
    if (line) record(line, 200, length, firstByteMs);
    return;
  }
  // The request is not there any more when all of it has gone out.
  const texts = line && textsOf(line);
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
      if (line && texts) {
        const { accessLog, client, startedMs } = line;
        accessLog.record({ ...texts, client, startedMs, status: 200, bytes: count, durationMs });
      }
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
