/**
 * A volume with a memory in front of it. What is fresh is answered at once; anything else takes one look at the volume,
 * whoever else wants it meanwhile. See "The cache" in docs/architecture.md.
 */
import type {
  Cancel,
  Chunk,
  Opened,
  OpenFile,
  OpenRequest,
  OpenResult,
  RootId,
  Stat,
  Storage,
  StorageError,
  StorageEvent,
  SymlinkPolicy,
} from '../storage.js';
import { answerFrom, giveBack, lendOnce, NO_WORD, type Outcome } from './answers.js';
import { type Content, type Found, keyOf, knownOf, leanStat, type Name } from './entries.js';
import { fill } from './fill.js';
import { type Flight, Flights, type Waiter, waitedMs } from './flights.js';
import { isIdentical, Large } from './large.js';
import type { Memory } from './memory.js';
import type { CacheOptions, CacheStats } from './options.js';
import { isSame, Settling } from './settling.js';
import { Shelf } from './shelf.js';
import { Silence } from './silence.js';
import { type Watch, Watches } from './watches.js';

/** How old what a look rests on may be, folders seen and names confirmed; that much less is what is found valid. */
const MOST_TRUST_MS = 1_000;

/** A file that changes so often while it is read is given up. */
const MOST_CHANGES = 3;

/** What a look tells of its way. */
type Way = Pick<Opened, 'trail' | 'ageMs'>;

/** With less left than this a request is not tried again. */
const WORTH_ANOTHER_MS = 50;

export class CachedStorage implements Storage {
  readonly #flights = new Flights();
  readonly #watches: Watches;
  readonly #shelf: Shelf;
  readonly #silence: Silence;
  readonly #settling = new Settling();
  readonly #counts = { hits: 0, misses: 0, revalidated: 0, stale: 0, invalidations: 0 };

  constructor(
    private readonly inner: Storage,
    private readonly memory: Memory,
    private readonly options: CacheOptions,
  ) {
    const { compressor, requestTimeoutMs } = options;
    const workshop = { memory, compressor, requestTimeoutMs };
    this.#watches = new Watches(memory.epoch);
    this.#shelf = new Shelf(memory, this.#watches, workshop, (hits) => {
      this.#counts.hits += hits;
    });
    this.#silence = new Silence(inner.name, options.log);
    inner.watch((event) => this.#told(event));
  }

  get name(): string {
    return this.inner.name;
  }

  get keepsUpTo(): number {
    return this.options.maxObjectBytes;
  }

  stats(): CacheStats {
    return { entries: this.#shelf.size, unannounced: this.#silence.count, ...this.#counts };
  }

  root(path: string, symlinks: SymlinkPolicy): RootId {
    return this.inner.root(path, symlinks);
  }

  watch(listener: (event: StorageEvent) => void): void {
    this.inner.watch((event) => {
      this.#told(event);
      listener(event);
    });
  }

  peek(request: OpenRequest): OpenResult | null {
    const name = this.#shelf.get(keyOf(request));
    if (!name) return null;
    const nowMs = performance.now();
    if (!name.isFresh(nowMs)) return null;
    const result = answerFrom(name, request, 'hit', false, nowMs);
    if (!result) return null;
    name.use(nowMs);
    this.#counts.hits += 1;
    return result;
  }

  open(request: OpenRequest, done: (result: OpenResult) => void): Cancel {
    const known = this.peek(request);
    if (known) {
      let cancelled = false;
      queueMicrotask(() => {
        if (!cancelled) done(known);
        else if (known.ok) giveBack(known);
      });
      return () => {
        cancelled = true;
      };
    }
    const key = keyOf(request);
    // A folder is read for each who lists it.
    const name = this.#shelf.get(key);
    const listed = request.listing && name?.found.kind === 'directory';
    if (listed && name.isFresh(performance.now())) return this.inner.open(request, done);
    return this.#join(key, request, done);
  }

  #told(event: StorageEvent): void {
    if (event.kind === 'lost') {
      this.#watches.lost();
      return;
    }
    if (event.kind === 'down') {
      // Who comes now is told so at once, and does not wait for what will not come.
      this.#flights.close();
      return;
    }
    if (!this.options.invalidate) return;
    if (this.#watches.changed(event.gfid) && event.kind === 'changed') {
      this.#counts.invalidations += 1;
    }
  }

  #join(
    key: string,
    request: OpenRequest,
    done: (result: OpenResult) => void,
    joinedMs = performance.now(),
  ): Cancel {
    const waiter: Waiter = { request, joinedMs, done, further: null };
    let flight = this.#flights.find(key, request.body);
    if (flight) {
      flight.collapsed = true;
      flight.waiters.add(waiter);
    } else {
      flight = this.#launch(key, waiter);
    }
    const joined = flight;
    return () => {
      waiter.further?.();
      joined.waiters.delete(waiter);
      if (joined.waiters.size > 0 || joined.landed) return;
      this.#land(joined);
      joined.cancel();
    };
  }

  #launch(key: string, first: Waiter): Flight {
    const before = this.#shelf.get(key) ?? null;
    // Nobody is to take a body for right of which only the stat was looked at.
    const body = first.request.body || before?.content?.isDoubted === true;
    const request = { ...first.request, body };
    const flight: Flight = {
      key,
      body,
      before,
      look: this.#watches.begin(),
      sinceMs: first.joinedMs,
      waiters: new Set([first]),
      collapsed: false,
      landed: false,
      changes: 0,
      cancel: () => undefined,
    };
    this.#flights.add(flight);
    this.#look(flight, request);
    return flight;
  }

  #look(flight: Flight, request: OpenRequest): void {
    const { root, candidates, body, from, waitedMs = 0 } = request;
    const known = knownOf(flight.before, body);
    const { validMs, negativeMs } = this.options;
    const trustMs = Math.floor(Math.min(MOST_TRUST_MS, Math.min(validMs, negativeMs) / 4));
    flight.cancel = this.inner.open(
      { root, candidates, body, from, waitedMs, listing: false, trail: true, known, trustMs },
      (result) => this.#seen(flight, request, result),
    );
  }

  /** It is over: nobody joins it any more. */
  #land(flight: Flight): void {
    flight.landed = true;
    this.#flights.remove(flight);
    this.#watches.end(flight.look);
  }

  #seen(flight: Flight, request: OpenRequest, result: OpenResult): void {
    const { before } = flight;
    if (!result.ok) {
      this.#failed(flight, result);
      return;
    }
    if (result.unchanged === true) {
      if (before?.alive !== true) {
        // It was given up meanwhile.
        flight.before = null;
        this.#look(flight, request);
        return;
      }
      this.#counts.revalidated += 1;
      this.#validate(before, flight, result, result.stat.gfid);
      this.#tell(flight, before, 'revalidated');
      return;
    }
    const opened = { ...result, stat: leanStat(result.stat) };
    const { candidate, stat, file, chunk } = opened;
    if (before) this.#compare(flight, before, stat);
    if (stat.type === 'directory') {
      giveBack(opened);
      this.#found(flight, { kind: 'directory', candidate, stat }, opened);
    } else if (!request.body || stat.size === 0) {
      giveBack(opened);
      this.#found(flight, { kind: 'file', candidate, stat, content: null }, opened);
    } else if (file) {
      this.#openedLarger({ ...opened, file }, flight, request);
    } else if (chunk) {
      this.#readWhole(flight, opened, chunk);
    } else {
      throw new Error('a storage opened a file without its bytes');
    }
  }

  /** All of the file came with the look. */
  #readWhole(flight: Flight, opened: Opened, chunk: Chunk): void {
    const { stat, candidate } = opened;
    const there = this.#shelf.content(stat);
    if (there && (!there.isDoubted || isSame(there, chunk))) {
      chunk.release();
      this.#foundAgain(flight, opened, there);
      return;
    }
    const content = this.#reserve(stat);
    if (!content) {
      this.#found(flight, { kind: 'file', candidate, stat, content: null }, opened, opened);
      return;
    }
    content.bytes.set(chunk.bytes);
    chunk.release();
    this.#foundAnew(flight, opened, content, there);
  }

  /** Bytes that have just been read; `there`: others, that had been read of the same version and were in doubt. */
  #foundAnew(flight: Flight, opened: Opened, content: Content, there: Content | null): void {
    const { stat, candidate } = opened;
    if (there) this.#settling.saw(stat.gfid);
    content.doubtedUntilMs = this.#settling.doubtedUntil(stat, flight.sinceMs);
    this.#found(flight, { kind: 'file', candidate, stat, content }, opened);
  }

  /** Bytes that are here already; those that were in doubt have proved right. */
  #foundAgain(flight: Flight, opened: Opened, content: Content): void {
    const { before } = flight;
    const { candidate } = opened;
    const { stat } = content;
    content.wasRightAt(flight.sinceMs);
    // One that has ended has no content.
    if (before?.content === content && before.candidate === candidate) {
      this.#counts.revalidated += 1;
      this.#validate(before, flight, opened, stat.gfid);
      this.#tell(flight, before, 'revalidated');
    } else {
      this.#found(flight, { kind: 'file', candidate, stat, content }, opened);
    }
  }

  /** Only its first bytes came with the look. */
  #openedLarger(
    opened: Opened & { readonly file: OpenFile },
    flight: Flight,
    request: OpenRequest,
  ): void {
    const { stat, candidate, file } = opened;
    const same = this.#shelf.content(stat);
    if (same && !same.isDoubted) {
      giveBack(opened);
      this.#foundAgain(flight, opened, same);
      return;
    }
    const content = this.#reserve(stat);
    if (content) {
      this.#fill(flight, opened, content, request);
      return;
    }
    const there = this.#shelf.large(stat);
    if (there) file.release();
    const large = there ?? this.#newLarge(flight, opened, file, request);
    this.#found(flight, { kind: 'large', candidate, stat, large }, opened, opened);
  }

  /** Reads all of it, and only then tells those who wait. */
  #fill(
    flight: Flight,
    opened: Opened & { readonly file: OpenFile },
    content: Content,
    request: OpenRequest,
  ): void {
    const { stat } = opened;
    const waitedMs = (request.waitedMs ?? 0) + performance.now() - flight.sinceMs;
    content.hold();
    const cancel = fill(opened, content.bytes, waitedMs, (error) => {
      if (!error) {
        const there = this.#shelf.content(stat);
        // What another look has proved meanwhile is newer than what this one began to read.
        if (there && (!there.isDoubted || isSame(there, content))) {
          this.#shelf.discard(content);
          this.#foundAgain(flight, opened, there);
        } else {
          this.#foundAnew(flight, opened, content, there);
        }
        content.release();
        return;
      }
      content.release();
      this.#shelf.discard(content);
      if (error.code === 'changed') this.#settling.saw(stat.gfid);
      if (error.code === 'changed' && flight.changes < MOST_CHANGES) {
        flight.changes += 1;
        if (flight.before) this.#shelf.forget(flight.before);
        flight.before = null;
        this.#look(flight, request);
      } else {
        this.#failed(flight, error);
      }
    });
    flight.cancel = () => {
      cancel();
      content.release();
      this.#shelf.discard(content);
    };
  }

  /** Takes over `file`. */
  #newLarge(
    flight: Flight,
    { stat, candidate }: Opened,
    file: OpenFile,
    request: OpenRequest,
  ): Large {
    const { root, candidates } = request;
    const keepsFromMs = this.#settling.doubtedUntil(stat, flight.sinceMs);
    const path = candidates[candidate] ?? '';
    const open = (from: number, waitedMs: number, done: (result: OpenResult) => void): Cancel =>
      this.inner.open(
        { root, candidates: [path], body: true, listing: false, from, waitedMs },
        done,
      );
    return new Large({ stat, memory: this.memory, open, keepsFromMs }, file);
  }

  /** Room for a file that is to be kept whole; null: it is not. */
  #reserve(stat: Stat): Content | null {
    return stat.size > this.options.maxObjectBytes ? null : this.#shelf.reserve(stat);
  }

  /** `once`: what came with the look and is not kept goes to those who wait. */
  #found(flight: Flight, found: Found, way: Way, once: Opened | null = null): void {
    const content = found.kind === 'file' ? found.content : null;
    this.#counts.misses += 1;
    // Neither its own name nor what those do who are told makes room by it.
    content?.hold();
    const name = this.#shelf.make(flight.key, found);
    this.#validate(name, flight, way, found.kind === 'absent' ? null : found.stat.gfid);
    this.#shelf.put(name);
    if (once && found.kind === 'file') {
      this.#land(flight);
      this.#askForLate(flight, name);
      lendOnce(flight, once);
    } else {
      this.#tell(flight, name, 'miss', null, once);
    }
    if (!name.held) this.#shelf.forget(name);
    content?.release();
  }

  #validate(name: Name, flight: Flight, { trail, ageMs = 0 }: Way, own: string | null): void {
    const watches: Watch[] = (trail ?? []).map((gfid) => this.#watches.acquire(gfid));
    const quietMs = this.#watches.believableMs(watches, flight.sinceMs);
    if (own !== null) watches.push(this.#watches.acquire(own));
    const wanted = this.options[name.found.kind === 'absent' ? 'negativeMs' : 'validMs'];
    const sinceMs = flight.sinceMs - ageMs;
    const doubtedMs = name.content?.isDoubted === true ? name.content.doubtedUntilMs : Infinity;
    const validFor = Math.max(0, Math.min(wanted, doubtedMs - sinceMs, ageMs + quietMs));
    name.validated(watches, flight.look.at, sinceMs, validFor);
  }

  /** What was known has changed. Had the volume said so? */
  #compare(flight: Flight, before: Name, stat: Stat): void {
    const { found } = before;
    if (found.kind !== 'absent' && isIdentical(found.stat, stat)) return;
    // What has ended says nothing.
    if (before.alive) this.#settling.saw(stat.gfid);
    this.#unsaid(flight, before);
  }

  #unsaid({ before }: Flight, name: Name): void {
    if (before !== name || !this.options.invalidate) return;
    this.#silence.suspect(name.watches, name.at, this.#watches);
  }

  #failed(flight: Flight, error: StorageError): void {
    const { before } = flight;
    if (error.code === 'not-found') {
      if (before && before.found.kind !== 'absent') this.#unsaid(flight, before);
      this.#found(flight, { kind: 'absent', errno: error.errno }, error);
      return;
    }
    if (NO_WORD.has(error.code) && before?.mayBeStale(this.options.staleIfErrorMs) === true) {
      this.#tell(flight, before, 'stale', error);
      return;
    }
    // Whatever it is now, it is not what it was.
    if (before && !NO_WORD.has(error.code) && error.code !== 'cancelled')
      this.#shelf.forget(before);
    this.#land(flight);
    const nowMs = performance.now();
    for (const waiter of flight.waiters) this.#refuse(flight, waiter, error, nowMs);
  }

  /**
   * Who joined a look late has time left when it has none any more: it is tried again for those. And what it said of the file
   * was not kept, so it says nothing to who came after it began. Who only wants the stat need not have a file hold still.
   */
  #refuse(flight: Flight, waiter: Waiter, error: StorageError, nowMs: number): void {
    const { request, joinedMs, done } = waiter;
    const leftMs = this.options.requestTimeoutMs - waitedMs(waiter, nowMs);
    const late = joinedMs > flight.sinceMs;
    const statWillDo = error.code === 'changed' && flight.body && !request.body;
    const again = error.code === 'timeout' || statWillDo || (late && !NO_WORD.has(error.code));
    if (again && leftMs > WORTH_ANOTHER_MS) this.#askAgain(flight, waiter, nowMs);
    else done(error);
  }

  /** Takes those out who came so late that for them what was found is too old. All of them take the next look. */
  #askForLate(flight: Flight, name: Name): void {
    const nowMs = performance.now();
    for (const waiter of flight.waiters) {
      const { joinedMs } = waiter;
      if (joinedMs <= flight.sinceMs || name.isFresh(joinedMs)) continue;
      flight.waiters.delete(waiter);
      this.#askAgain(flight, waiter, nowMs);
    }
  }

  /** `nowMs` is the same for all: none is late for the look that the first one makes. */
  #askAgain({ key }: Flight, waiter: Waiter, nowMs: number): void {
    const request = { ...waiter.request, waitedMs: waitedMs(waiter, nowMs) };
    waiter.further = this.#join(key, request, waiter.done, nowMs);
  }

  /** `first`: bytes of a large file that came with the look, for the first one who wants them. */
  #tell(
    flight: Flight,
    name: Name,
    outcome: Outcome,
    error: StorageError | null = null,
    first: Opened | null = null,
  ): void {
    this.#land(flight);
    const nowMs = performance.now();
    if (outcome !== 'stale') {
      name.use(nowMs);
      this.#askForLate(flight, name);
    }
    let chunk = first?.chunk ?? null;
    for (const waiter of flight.waiters) {
      const { request, done } = waiter;
      if (outcome === 'stale') this.#counts.stale += 1;
      const result = answerFrom(name, request, outcome, flight.collapsed, nowMs);
      if (result?.ok && chunk && request.body && request.from === first?.chunkOffset) {
        const lent = { chunk, chunkOffset: first.chunkOffset };
        chunk = null;
        done({ ...result, ...lent });
      } else if (result) {
        done(result);
      } else if (outcome === 'stale') {
        done(error ?? { ok: false, code: 'down', errno: 0 });
      } else {
        // It wants to list the folder, or the body of what only the stat was asked of.
        const further = { ...request, waitedMs: waitedMs(waiter, nowMs) };
        waiter.further = this.inner.open(further, done);
      }
    }
    chunk?.release();
  }
}
