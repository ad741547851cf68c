/**
 * Answers that native code gives before uWebSockets.js has seen the request: copies of what hot.ts keeps, each good until
 * anything has happened in the cache, or it ceases to be fresh. Then the next request comes the usual way, and brings the next
 * copy. See docs/adr/0016-answers-before-the-parser.md.
 */
import type { HttpResponse } from 'uWebSockets.js';
import { performance } from 'node:perf_hooks';
import { BOUNDS_MS } from '../observe/histogram.js';
import type { HotCounters } from '../observe/request_counters.js';
import type { Remembered } from '../storage/storage.js';
import type { ClientListener } from './clients.js';
import type { Copied, HotAnswer } from './hot.js';

/** The addon's part (addon/http.cc), whose tables are known by numbers. */
export interface QuickMaker {
  openQuick(
    epoch: Float64Array,
    boundsMs: Float64Array,
    byHost: boolean,
    byAcceptEncoding: boolean,
    log: number | null,
    trusts: boolean,
  ): number;
  addCounters(table: number, cells: Float64Array): number;
  /** Whether requests on all connections of the response's App are seen from now on. It has just been opened. */
  attachQuick(table: number, response: object): boolean;
  /** Strings are ASCII. `untilMs`: by process.hrtime(). Returns its slot, or -1: there is no room for it. */
  armQuick(
    table: number,
    key: string,
    etag: string,
    wholeHead: Uint8Array | null,
    body: Uint8Array | null,
    notModifiedHead: Uint8Array | null,
    untilMs: number,
    counters: number,
    shape: number,
  ): number;
  /** Fills in pairs of a slot and how often it was used since the last call; returns how many. */
  takeHits(table: number, pairs: Uint32Array): number;
  clearQuick(table: number): void;
  stopQuick(table: number): void;
  /** Who is at the other end of a response's connection. `address` as lines in the log have it. */
  tellPeer(response: object, address: string, isTrusted: boolean): void;
  /** It has just been opened. */
  forgetPeer(response: object): void;
  /** Whom a trusted peer speaks for where it says so. Strings are Latin-1. */
  tellForwarded(table: number, peer: string, forwardedFor: string, client: string): void;
  forgetForwarded(table: number): void;
}

/** What the owner of the answers is told and tells. */
export interface QuickOptions {
  readonly maker: QuickMaker;
  /** Of what the answers were copied from: one number, which grows with whatever may make one of them another. */
  readonly epoch: Float64Array;
  readonly host: boolean;
  readonly acceptEncoding: boolean;
  /** The access log's number, as its maker has it; null: answers have no lines. */
  readonly log: number | null;
  /** Some peers are trusted proxies: they are told by Cache-Status how an answer came about. */
  readonly trusts: boolean;
  /** false: all requests come to JavaScript. */
  readonly enabled: boolean;
  /** So many requests were answered. */
  readonly onRequests: (count: number) => void;
}

/** As in addon/quick_table.h. What does not fit is given the usual way. */
const LONGEST_BODY = 128 * 1024;
/** A copy takes some 1 KiB. */
const MOST = 1024;
/** When there are so many, others have their turn. */
const TURN_MS = 10_000;
const PAIRS = 256;
/** What a request that is answered so may consist of: other bytes stand for other letters in JavaScript. */
const ASCII = /^[\n -~]*$/;

export class QuickAnswers implements ClientListener {
  readonly #maker: QuickMaker;
  readonly #table: number;
  readonly #counters = new Map<HotCounters, number>();
  /** By their slots. Not the answers, whose heads would be kept twice. */
  #slots: { readonly remembered: Remembered; readonly copied: Copied }[] = [];
  readonly #pairs = new Uint32Array(2 * PAIRS);
  /** From performance.now() to process.hrtime(), in milliseconds. */
  readonly #clockOffset: number;
  #isAttached = false;
  #isRefused = false;
  #isOn = false;
  #given = 0;
  #clearedMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: QuickOptions) {
    const { maker, epoch, host, acceptEncoding, log, trusts, enabled } = options;
    const bounds = new Float64Array(BOUNDS_MS);
    this.#maker = maker;
    this.#table = maker.openQuick(epoch, bounds, host, acceptEncoding, log, trusts);
    if (!enabled) maker.stopQuick(this.#table);
    // In this order, an answer's time may only be up too soon.
    const hrtimeMs = Number(process.hrtime.bigint()) / 1e6;
    this.#clockOffset = hrtimeMs - performance.now();
  }

  /**
   * A connection was opened. Once for all connections of its App: from then on its requests are seen, and the first line of one may
   * come in several pieces, of which uWebSockets.js 20 by itself makes a 505.
   */
  attach(res: HttpResponse): void {
    if (this.#isAttached || this.#isRefused) return;
    this.#isAttached = this.#maker.attachQuick(this.#table, res);
    this.#isRefused = !this.#isAttached;
    this.#isOn = this.#isAttached && this.options.enabled;
  }

  /** A connection was opened, before `attach`. */
  opened(res: HttpResponse): void {
    if (this.#isOn) this.#maker.forgetPeer(res);
  }

  peerFound(res: HttpResponse, address: string, isTrusted: boolean): void {
    if (this.#isOn) this.#maker.tellPeer(res, address, isTrusted);
  }

  clientFound(peer: string, forwardedFor: string, client: string): void {
    this.#maker.tellForwarded(this.#table, peer, forwardedFor, client);
  }

  clientsForgotten(): void {
    this.#maker.forgetForwarded(this.#table);
  }

  /** Requests that were answered so, up to the last `collect`. */
  get given(): number {
    return this.#given;
  }

  /** Whether a copy is to be had of an answer that has just been given: where it is wanted again, and there is none. */
  wants(answer: HotAnswer, nowMs: number): boolean {
    if (!this.#isOn || this.#isFull(nowMs)) return false;
    const epoch = this.options.epoch[0] ?? 0;
    const { copied } = answer;
    if (copied?.wantedAt !== epoch) {
      if (copied) copied.wantedAt = epoch;
      else {
        answer.copied = { wantedAt: epoch, at: -1, untilMs: 0, withNotModified: false };
      }
      return false;
    }
    return (
      copied.at !== epoch ||
      nowMs >= copied.untilMs ||
      copied.withNotModified !== (answer.notModified !== null)
    );
  }

  /** Copies it. It must be fresh. */
  take(key: string, answer: HotAnswer, nowMs: number): void {
    const { copied, remembered, representation, etag, notModified, shape } = answer;
    if (!copied) return;
    const whole = answer.whole && answer.whole.kept.bytes.length <= LONGEST_BODY && answer.whole;
    const ttlMs = remembered.ttlMs(nowMs);
    copied.at = this.options.epoch[0] ?? 0;
    copied.untilMs = nowMs + ttlMs;
    copied.withNotModified = notModified !== null;
    if ((!whole && !notModified) || !ASCII.test(key) || !ASCII.test(etag)) return;
    // Its lines have to be made by JavaScript.
    if (this.options.log !== null && (shape ?? -1) < 0) return;
    const slot = this.#maker.armQuick(
      this.#table,
      key,
      etag,
      whole ? whole.head : null,
      whole ? whole.kept.bytes : null,
      notModified,
      this.#clockOffset + nowMs + ttlMs,
      this.#countersOf(representation.mount.counters.hot),
      shape ?? 0,
    );
    if (slot >= 0) {
      this.#slots[slot] = { remembered, copied };
    } else if (this.#slots.length >= MOST) {
      copied.at = -1;
      this.#clear();
      this.#clearedMs = nowMs;
    }
  }

  /** Tells the cache and the owner what was given since the last call. */
  collect(): void {
    const nowMs = performance.now();
    const pairs = this.#pairs;
    let sum = 0;
    for (let count = PAIRS; count === PAIRS; ) {
      count = this.#maker.takeHits(this.#table, pairs);
      for (let at = 0; at < 2 * count; at += 2) {
        const hits = pairs[at + 1] ?? 0;
        this.#slots[pairs[at] ?? 0]?.remembered.used(hits, nowMs);
        sum += hits;
      }
    }
    this.#given += sum;
    if (sum > 0) this.options.onRequests(sum);
  }

  /** Every request comes to JavaScript from now on. */
  stop(): void {
    this.#maker.stopQuick(this.#table);
    this.#clear();
    this.#isOn = false;
  }

  /** What is wanted now will be wanted again when others have had their turn. */
  #isFull(nowMs: number): boolean {
    return this.#slots.length >= MOST && nowMs - this.#clearedMs < TURN_MS;
  }

  #clear(): void {
    this.collect();
    for (const { copied } of this.#slots) copied.at = -1;
    this.#maker.clearQuick(this.#table);
    this.#slots = [];
  }

  #countersOf(hot: HotCounters): number {
    const known = this.#counters.get(hot);
    if (known !== undefined) return known;
    const number = this.#maker.addCounters(this.#table, hot.cells);
    this.#counters.set(hot, number);
    return number;
  }
}
