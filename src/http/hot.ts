/**
 * The short way of a request for a file that is in memory and fresh: what was answered last time, head and body, goes out
 * again in two calls into uWebSockets.js. Whatever is not that simple takes the long way, which also finds what to keep here.
 */
import type { HttpRequest } from 'uWebSockets.js';
import type { Kept, Remembered } from '../storage/storage.js';
import { type Conditions, UNCONDITIONAL } from './conditional.js';
import { Has } from './fields.js';
import { type Asked, preconditionReply, type Representation, validatorsOf } from './reply.js';
import type { Request, Wanted } from './request.js';

/** At most so many are kept: each costs some hundred bytes. Clients choose the URLs. */
const MOST = 8_192;

/** A file, and the head of the 200, ready to be written. */
export interface Whole {
  readonly kept: Kept;
  readonly head: Buffer;
}

export interface HotAnswer {
  readonly remembered: Remembered;
  readonly representation: Representation;
  /** null where nobody asked for it so far, or where it is too large. */
  readonly whole: Whole | null;
  readonly etag: string;
  /** The head of the 304, once there was one. */
  notModified: Buffer | null;
  /** Of its lines in the access log, once there was one. */
  shape: number | null;
  /** When it was copied for those who give it without asking; null: it has not been wanted a second time. */
  copied: Copied | null;
}

/** By the epoch of what is remembered. */
export interface Copied {
  /** Of the last time that it was wanted. */
  wantedAt: number;
  /** -1: never. */
  at: number;
  /** Until when it may be given, by performance.now(). */
  untilMs: number;
  /** The head of a 304 is among it. */
  withNotModified: boolean;
}

export class HotAnswers {
  readonly #answers = new Map<string, HotAnswer>();

  /** `wanted`: what of a request decides its answer. */
  constructor(private readonly wanted: Wanted) {}

  get count(): number {
    return this.#answers.size;
  }

  /** `url`: each call for it makes another string. `fields`: see `Has`. */
  find(req: HttpRequest, url: string, fields: number): HotAnswer | undefined {
    return this.#answers.get(this.keyOf(req, url, fields));
  }

  /** `head` is that of the 200 to a plain GET like `request`. */
  keep(request: Request, kept: Kept, representation: Representation, head: string): void {
    const whole = { kept, head: Buffer.from(head) };
    this.#set(this.#key(request), {
      remembered: kept,
      representation,
      whole,
      etag: validatorsOf(kept.stat, representation).etag,
      notModified: null,
      shape: null,
      copied: null,
    });
  }

  /** `head` is that of the 304 to a GET like `request`, of which nothing but its preconditions led to that. */
  keepNotModified(
    request: Request,
    remembered: Remembered,
    representation: Representation,
    head: string,
  ): void {
    const key = this.#key(request);
    const { etag } = validatorsOf(remembered.stat, representation);
    const known = this.#answers.get(key);
    // What may be given again says more.
    if (known?.remembered.alive && known.etag === etag) return;
    const notModified = Buffer.from(head);
    this.#set(key, {
      remembered,
      representation,
      whole: null,
      etag,
      notModified,
      shape: null,
      copied: null,
    });
  }

  #set(key: string, answer: HotAnswer): void {
    if (this.#answers.size >= MOST && !this.#answers.has(key)) this.#answers.clear();
    this.#answers.set(key, answer);
  }

  /** It is not to be given any more. */
  drop(answer: HotAnswer, req: HttpRequest, url: string, fields: number): void {
    const key = this.keyOf(req, url, fields);
    if (this.#answers.get(key) === answer) this.#answers.delete(key);
  }

  /** What it is kept by. */
  keyOf(req: HttpRequest, url: string, fields: number): string {
    const { wanted } = this;
    return keyOf(
      url,
      wanted.host ? req.getHeader('host') : '',
      wanted.acceptEncoding && fields & Has.acceptEncoding ? req.getHeader('accept-encoding') : '',
    );
  }

  #key({ url, host, acceptEncoding }: Request): string {
    const { wanted } = this;
    return keyOf(url, wanted.host ? host : '', wanted.acceptEncoding ? acceptEncoding : '');
  }
}

/** None of them has a line feed. What a request does not have costs nothing. */
function keyOf(url: string, host: string, acceptEncoding: string): string {
  if (host !== '') return `${url}\n${host}\n${acceptEncoding}`;
  return acceptEncoding === '' ? url : `${url}\n\n${acceptEncoding}`;
}

const ODD = Has.ifMatch | Has.ifUnmodifiedSince | Has.contentLength | Has.transferEncoding;
const UNCHANGED = Has.ifNoneMatch | Has.ifModifiedSince;

/**
 * What a GET gets: the whole file, the head of a 304, or, as null, what only the long way can say. `fields`: see `Has`. What is
 * remembered must be alive.
 */
export function decide(
  answer: HotAnswer,
  req: HttpRequest,
  fields: number,
): 'whole' | Buffer | null {
  if ((fields & ODD) !== 0) return null;
  if ((fields & UNCHANGED) !== 0) {
    const ifNoneMatch = fields & Has.ifNoneMatch ? req.getHeader('if-none-match') : '';
    // What nearly everybody sends: the one that we sent. Range does not count then (RFC 9110 §13.2.2).
    if (answer.notModified && ifNoneMatch === answer.etag) return answer.notModified;
    const ifModifiedSince = ifNoneMatch === '' ? req.getHeader('if-modified-since') : '';
    const head = notModifiedHead(answer, { ...UNCONDITIONAL, ifNoneMatch, ifModifiedSince });
    if (head) return head;
  }
  return answer.whole !== null && (fields & Has.range) === 0 ? 'whole' : null;
}

function notModifiedHead(answer: HotAnswer, conditions: Conditions): Buffer | null {
  const asked: Asked = { isHead: false, conditions, nowMs: Date.now(), nextBoundary: () => '' };
  const reply = preconditionReply(answer.remembered.stat, answer.representation, asked);
  if (reply?.status !== 304) return null;
  answer.notModified ??= Buffer.from(reply.head);
  return answer.notModified;
}
