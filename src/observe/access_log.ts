import { close, constants, fstatSync, openSync, write } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { LogConfig } from '../config/types.js';
import {
  type AccessEntry,
  accessLine,
  type HotSource,
  hotShape,
  type LineMaker,
  secondText,
} from './access_line.js';
import { endOfBatch, NEWLINE, newlines } from './lines.js';
import { errnoOf, type Logger } from './log.js';

export type { AccessEntry, HotSource, LineMaker } from './access_line.js';

/** One line per request. Never throws, never waits and never holds more than 8 MiB. */
export interface AccessLog {
  record(entry: AccessEntry): void;
  /** A number for `recordHot`. The same again for the same source. */
  shapeOf(source: HotSource): number;
  /**
   * The same as `record` for a GET that was answered from memory, within its handler, without making strings of what it says.
   * false: nothing was done, and `record` has to be called.
   */
  recordHot(shape: number, request: object, entry: HotEntry): boolean;
  /**
   * Its number, for native code that writes lines without asking (addon/line_log.h); 'none': there are none to be written. null:
   * they can only be written here.
   */
  readonly native: number | 'none' | null;
  /** Lines that were not written, because the buffer was full or writing failed. */
  readonly lost: number;
  /**
   * Goes on with the file that has the configured name now, for a rotation; soon, and without losing a line. Where it can't
   * be opened that is logged, and lines go on to the file that is open.
   */
  reopen(): void;
  /** Writes what is buffered, for a second at most; what is left then is lost. Later entries are lost too. */
  close(): Promise<void>;
}

/** What the request itself does not tell. */
export type HotEntry = Pick<
  AccessEntry,
  'client' | 'status' | 'bytes' | 'startedMs' | 'durationMs'
>;

/** What this and native code, which writes into the chunk by itself, say of it to each other: see addon/line_log.h. */
const Cell = { used: 0, lines: 1, limit: 2, longest: 3 } as const;

const FLUSH_MS = 200;
/** A write is begun at once when so much waits. While one is under way up to a chunk gathers for the next. */
const FLUSH_BYTES = 192 * 1024;
const CHUNK_BYTES = 256 * 1024;
const BUFFER_BYTES = 8 * 1024 * 1024;
/** Linux' PIPE_BUF: several workers share a pipe, and only writes up to this size are never mixed with another's. */
const PIPE_BYTES = 4096;
/** How long is waited for a reader that is behind: the first time, and at most. */
const FIRST_WAIT_MS = 1;
const LAST_WAIT_MS = 50;
const CLOSE_MS = 1000;
const REPORT_MS = 10_000;
const REOPEN_MS = 10_000;
/** Of sources whose lines have to be made by JavaScript. */
const NO_SHAPE = -1;
const TOO_SLOW = 'its reader is too slow';

/**
 * The access log that the configuration asks for: stdout, a file (appended to, made with mode 0640) or none. A file
 * that can't be opened is logged as an error and tried again every 10 s; its lines are lost, and requests are served.
 */
export function createAccessLog(
  config: LogConfig,
  log: Logger,
  maker: LineMaker | null = null,
): AccessLog {
  if (config.access.kind === 'off') {
    return {
      record: () => undefined,
      shapeOf: () => -1,
      recordHot: () => true,
      native: 'none',
      lost: 0,
      reopen: () => undefined,
      close: () => Promise.resolve(),
    };
  }
  return new BufferedAccessLog(
    config,
    config.access.kind === 'file' ? config.access.path : null,
    log,
    maker,
  );
}

interface Chunk {
  readonly buffer: Buffer;
  /** Bytes, all of them of whole lines. */
  used: number;
  lines: number;
}

interface Destination {
  readonly fd: number;
  readonly isOurs: boolean;
  /** Bytes a single write may have. */
  readonly longest: number;
}

/** Throws what the system calls throw. */
function openDestination(path: string | null): Destination {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOCTTY, O_NONBLOCK } = constants;
  if (path !== null) {
    // O_NONBLOCK: a FIFO that nobody reads is an error then, where it would be a worker that hangs.
    const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK, 0o640);
    return { fd, isOurs: true, longest: fstatSync(fd).isFile() ? CHUNK_BYTES : PIPE_BYTES };
  }
  const stdout = fstatSync(1);
  if (stdout.isFile()) return { fd: 1, isOurs: false, longest: CHUNK_BYTES };
  // A pipe opened again is ours alone, so it can be made non-blocking without changing it for those who share it: a
  // reader that has stopped then holds no thread, and no exit that waits for the thread.
  const fd = stdout.isFIFO() ? tryOpen('/proc/self/fd/1', O_WRONLY | O_NONBLOCK) : null;
  return { fd: fd ?? 1, isOurs: fd !== null, longest: PIPE_BYTES };
}

function tryOpen(path: string, flags: number): number | null {
  try {
    return openSync(path, flags);
  } catch {
    return null;
  }
}

const writeTo = promisify(write);
const closeFd = promisify(close);

class BufferedAccessLog implements AccessLog {
  lost = 0;

  readonly #format: LogConfig['format'];
  readonly #path: string | null;
  readonly #log: Logger;
  readonly #maker: LineMaker | null;
  /** Its number there; -1: there is no maker. */
  readonly #number: number;
  readonly #cells = new Uint32Array(4);
  /** By their sources. */
  readonly #shapes = new Map<string, number>();
  /** The second since 1970 that the maker knows. */
  #second = -1;
  #destination: Destination | null = null;
  #nextOpen = 0;
  /**
   * Lines as bytes, which the last of these takes up. Strings would live until they are written, long enough to cost more by
   * the garbage collector's copying them than by all else.
   */
  #chunks: Chunk[] = [];
  /** One that was written, to be used again. */
  #spare: Buffer | null = null;
  /** Lines that are neither written nor lost, those being written included, and their bytes. */
  #pending = 0;
  #bytes = 0;
  #timer: NodeJS.Timeout | null = null;
  #flushing: Promise<void> | null = null;
  /**
   * The last write ended within a line: the next one begins with a newline, so that only that line is spoilt. Where the disk was full
   * it may have been another worker's write, so that one is left empty at times.
   */
  #isTorn = false;
  /** Its path is to be opened anew before the next line is written. */
  #isOutdated = false;
  #isClosed = false;
  #giveUp = false;
  #unreported = 0;
  #reason = '';
  #reportTimer: NodeJS.Timeout | null = null;

  constructor(config: LogConfig, path: string | null, log: Logger, maker: LineMaker | null) {
    this.#maker = maker;
    this.#number = maker?.openLog(this.#cells) ?? -1;
    this.#format = config.format;
    this.#path = path;
    this.#log = log;
    this.#open();
  }

  record(entry: AccessEntry): void {
    if (this.#isClosed) {
      this.#lose(1, 'it is closed');
      return;
    }
    const line = accessLine(entry, this.#format, this.#destination?.longest ?? PIPE_BYTES);
    const encoding = this.#format === 'combined' ? 'latin1' : 'utf8'; // combined lines are ASCII
    const bytes = encoding === 'latin1' ? line.length : Buffer.byteLength(line);
    this.#absorb();
    if (this.#bytes + bytes > BUFFER_BYTES) {
      this.#lose(1, TOO_SLOW);
      return;
    }
    const chunk = this.#chunkFor(bytes);
    chunk.buffer.write(line, chunk.used, encoding);
    this.#count(chunk, bytes);
  }

  shapeOf(source: HotSource): number {
    const key = JSON.stringify([source.mount, source.volume]);
    const known = this.#shapes.get(key);
    if (known !== undefined) return known;
    const pieces = hotShape(this.#format, source);
    const shape = (pieces && this.#maker?.addShape(this.#number, pieces)) ?? NO_SHAPE;
    this.#shapes.set(key, shape);
    return shape;
  }

  get native(): number | null {
    return this.#maker ? this.#number : null;
  }

  recordHot(shape: number, request: object, entry: HotEntry): boolean {
    this.#absorb();
    const chunk = this.#chunks.at(-1);
    const maker = this.#maker;
    if (!maker || !chunk || shape === NO_SHAPE || this.#isClosed) return false;
    if (this.#bytes + CHUNK_BYTES > BUFFER_BYTES) return false;
    const { client, status, bytes, startedMs, durationMs } = entry;
    const second = Math.floor(startedMs / 1000);
    if (second !== this.#second) {
      maker.setSecond(this.#number, second, secondText(this.#format, startedMs));
      this.#second = second;
    }
    const longest = this.#destination?.longest ?? PIPE_BYTES;
    const length = maker.putLine(
      this.#number,
      shape,
      chunk.used,
      longest,
      request,
      client,
      status,
      bytes,
      startedMs,
      Math.round(durationMs * 1000),
    );
    if (length === 0) return false;
    this.#count(chunk, length);
    return true;
  }

  /** A line was written into it, which is the last one. */
  #count(chunk: Chunk, bytes: number): void {
    this.#add(chunk, 1, bytes);
    this.#schedule();
    if (this.#maker) this.#share();
  }

  #add(chunk: Chunk, lines: number, bytes: number): void {
    chunk.used += bytes;
    chunk.lines += lines;
    this.#pending += lines;
    this.#bytes += bytes;
  }

  /** Takes over what native code has written meanwhile. */
  #absorb(): void {
    const chunk = this.#chunks.at(-1);
    if (!chunk || this.#cells[Cell.limit] === 0) return;
    const bytes = (this.#cells[Cell.used] ?? 0) - chunk.used;
    if (bytes > 0) this.#add(chunk, (this.#cells[Cell.lines] ?? 0) - chunk.lines, bytes);
  }

  /**
   * Lets native code go on with the last chunk, as long as nothing has to be done about it: a write is to be begun, another chunk
   * made, or a line lost.
   */
  #share(): void {
    const chunk = this.#chunks.at(-1);
    if (!chunk || this.#isClosed || this.#bytes + CHUNK_BYTES > BUFFER_BYTES) {
      this.#cells[Cell.limit] = 0;
      return;
    }
    const others = this.#bytes - chunk.used;
    this.#cells[Cell.used] = chunk.used;
    this.#cells[Cell.lines] = chunk.lines;
    this.#cells[Cell.limit] = this.#flushing
      ? chunk.buffer.length
      : Math.max(0, Math.min(chunk.buffer.length, FLUSH_BYTES - others));
    this.#cells[Cell.longest] = this.#destination?.longest ?? PIPE_BYTES;
  }

  /** From now on native code asks here before it writes another line. */
  #unshare(): void {
    this.#absorb();
    this.#cells[Cell.limit] = 0;
  }

  #chunkFor(room: number): Chunk {
    const last = this.#chunks.at(-1);
    if (last && last.used + room <= last.buffer.length) return last;
    const spare = this.#spare;
    this.#spare = null;
    const fits = spare && spare.length >= room;
    const buffer = fits ? spare : Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, room));
    const chunk = { buffer, used: 0, lines: 0 };
    this.#unshare();
    this.#chunks.push(chunk);
    this.#maker?.setChunk(this.#number, buffer);
    return chunk;
  }

  reopen(): void {
    if (this.#path === null || this.#isClosed) return;
    this.#isOutdated = true;
    this.#flush();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#unshare();
    this.#isClosed = true;
    const isDone = await Promise.race([this.#finish(), sleep(CLOSE_MS, false, { ref: false })]);
    this.#giveUp = true;
    if (this.#reportTimer) clearTimeout(this.#reportTimer);
    if (!isDone) this.#lose(this.#pending, TOO_SLOW);
    this.#report();
    // Not before a write that is still under way has ended: it would go to whatever gets the number next.
    const closed = (this.#flushing ?? Promise.resolve()).then(() => this.#closeDestination());
    if (isDone) await closed;
  }

  async #closeDestination(): Promise<void> {
    this.#maker?.closeLog(this.#number);
    const destination = this.#destination;
    this.#destination = null;
    if (destination?.isOurs) await closeFd(destination.fd).catch(() => undefined);
  }

  #open(): void {
    this.#nextOpen = Date.now() + REOPEN_MS;
    try {
      this.#destination = openDestination(this.#path);
    } catch (e) {
      const name = this.#path ?? 'stdout';
      const then = this.#destination ? 'go on to the one that is open' : 'are lost';
      this.#log.error(`the access log ${name} cannot be opened: ${errnoOf(e)}; its lines ${then}`);
    }
  }

  #schedule(): void {
    this.#absorb();
    if (this.#bytes >= FLUSH_BYTES) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref();
  }

  #flush(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#flushing ??= this.#writeLines().finally(() => {
      this.#flushing = null;
      if (this.#isClosed) return;
      if (this.#isOutdated) this.#flush();
      else if (this.#chunks.length > 0) this.#schedule();
    });
  }

  async #finish(): Promise<true> {
    while (this.#pending > 0 && !this.#giveUp) {
      this.#flush();
      await this.#flushing;
    }
    return true;
  }

  /** Between two flushes: nothing is being written. */
  async #renew(): Promise<void> {
    this.#isOutdated = false;
    const old = this.#destination;
    this.#open();
    if (old === null || old === this.#destination) return;
    this.#isTorn = false;
    if (old.isOurs) await closeFd(old.fd).catch(() => undefined);
  }

  /** What is buffered now; what comes meanwhile waits for the next flush. Never rejects. */
  async #writeLines(): Promise<void> {
    if (this.#isOutdated) await this.#renew();
    this.#unshare();
    const chunks = this.#chunks;
    this.#chunks = [];
    if (!this.#destination && Date.now() >= this.#nextOpen) this.#open();
    const destination = this.#destination;
    for (const chunk of chunks) {
      const { buffer } = chunk;
      if (destination) await this.#writeChunk(destination, chunk);
      else {
        this.#lose(chunk.lines, 'it is not open');
        this.#settle(chunk.lines, chunk.used);
      }
      if (this.#giveUp) return;
      if (buffer.length === CHUNK_BYTES) this.#spare = buffer;
    }
  }

  /** In writes of whole lines, each as long as it may be. */
  async #writeChunk(destination: Destination, { buffer, used, lines }: Chunk): Promise<void> {
    const all = buffer.subarray(0, used);
    for (let next = 0; next < used; ) {
      const end = endOfBatch(all, next, destination.longest);
      const batch = all.subarray(next, end);
      await this.#write(destination, batch);
      if (this.#giveUp) return;
      this.#settle(batch.length === used ? lines : newlines(batch), batch.length);
      next = end;
    }
  }

  /** Written or lost. */
  #settle(lines: number, bytes: number): void {
    this.#pending -= lines;
    this.#bytes -= bytes;
  }

  async #write({ fd, longest }: Destination, batch: Buffer): Promise<void> {
    let rest = this.#isTorn ? Buffer.concat([NEWLINE, batch]) : batch;
    /** Of its newlines, those that end no line of this batch that may still be lost. */
    let ends = rest.length - batch.length;
    let waitMs = FIRST_WAIT_MS;
    while (rest.length > 0 && !this.#giveUp) {
      try {
        const { bytesWritten } = await writeTo(fd, rest);
        if (bytesWritten === 0) {
          await sleep(waitMs);
          continue;
        }
        this.#isTorn = rest[bytesWritten - 1] !== NEWLINE[0];
        const isWhole = rest[bytesWritten] === NEWLINE[0];
        if (this.#isTorn && !isWhole && longest === CHUNK_BYTES && bytesWritten < rest.length) {
          // Others append to the file: what follows may be theirs, so the line is written once more.
          const begin = rest.lastIndexOf(NEWLINE, bytesWritten - 1) + 1;
          rest = Buffer.concat([NEWLINE, rest.subarray(begin)]);
          ends = 1;
        } else {
          rest = rest.subarray(bytesWritten);
          ends = this.#isTorn && isWhole ? 1 : 0;
        }
      } catch (e) {
        if (this.#giveUp) return;
        if (errnoOf(e) !== 'EAGAIN') {
          this.#lose(newlines(rest) - ends, errnoOf(e));
          if (longest === CHUNK_BYTES) this.#isTorn = true;
          return;
        }
        await sleep(waitMs);
        waitMs = Math.min(waitMs * 2, LAST_WAIT_MS);
      }
    }
  }

  /** The first loss is reported at once, later ones in sum every 10 s. */
  #lose(count: number, reason: string): void {
    this.lost += count;
    this.#unreported += count;
    this.#reason = reason;
    if (this.#reportTimer || this.#isClosed) return;
    this.#report();
    this.#reportTimer = setTimeout(() => {
      this.#reportTimer = null;
      this.#report();
    }, REPORT_MS).unref();
  }

  #report(): void {
    if (this.#unreported === 0) return;
    this.#log.warn(`access log: ${this.#unreported} lines lost: ${this.#reason}`);
    this.#unreported = 0;
  }
}
