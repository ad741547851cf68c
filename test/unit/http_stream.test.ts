/** The sender of bodies without a length, against a socket that takes what it likes. */
import type { HttpResponse } from 'uWebSockets.js';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { BodySource, Piece } from '../../src/http/body_source.js';
import { streamBody } from '../../src/http/stream.js';
import { Transfers } from '../../src/http/transfer.js';
import type { Sending } from '../../src/http/writer.js';

const KIB = 1024;
/** What is written to find out whether the kernel takes more. */
const PROBE = 512;

/** Behaves as uWebSockets.js does for write: takes all, keeps what the kernel does not, sends on with the next cork. */
class Socket {
  readonly taken: Buffer[] = [];
  buffered = 0;
  mostBuffered = 0;
  head = '';
  ended = false;
  closed = false;
  corked = false;
  /** Bytes that uWebSockets.js would have gathered in the cork. */
  private gathered = 0;
  wantsWritable = false;
  writable: (() => boolean) | null = null;

  /** How many bytes the kernel takes at a time. */
  constructor(private readonly room: () => number) {}

  readonly response = {
    cork: (body: () => void) => {
      this.alive();
      this.corked = true;
      this.gathered = 0;
      body();
      this.corked = false;
      this.flush();
    },
    onWritable: (handler: () => boolean) => {
      this.writable = handler;
    },
    writeStatus: (head: string) => {
      expect([this.head, this.taken.length]).toEqual(['', 0]);
      this.head = head;
      // With the headers that uWebSockets.js writes itself.
      this.gathered += head.length + 100;
    },
    write: (bytes: Uint8Array): boolean => {
      this.alive();
      expect(this.corked).toBe(true);
      expect(this.head).not.toBe('');
      expect(bytes.length).toBeGreaterThan(0);
      // What does not fit there is lost when the kernel is full.
      this.gathered += bytes.length + 10;
      expect(this.gathered).toBeLessThanOrEqual(16 * KIB);
      this.flush();
      const wasEmpty = this.buffered === 0;
      this.taken.push(Buffer.from(bytes));
      this.buffered += bytes.length;
      if (wasEmpty) this.flush();
      this.mostBuffered = Math.max(this.mostBuffered, this.buffered);
      return this.buffered === 0;
    },
    end: (body: string) => {
      this.alive();
      expect([body, this.head === '']).toEqual(['', false]);
      this.ended = true;
    },
    close: () => {
      this.closed = true;
    },
  } as unknown as HttpResponse;

  private alive(): void {
    if (this.ended || this.closed) throw new Error('used after the end');
  }

  flush(): void {
    if (this.buffered === 0) return;
    this.buffered -= Math.min(this.buffered, this.room());
    // Once asked for, the event comes, even if all has been sent meanwhile.
    if (this.buffered > 0) this.wantsWritable = true;
  }
}

class Source implements BodySource {
  cancelled = 0;
  waiting: ((piece: Piece) => void) | null = null;
  #next = 0;

  constructor(private readonly pieces: readonly Piece[]) {}

  pull(done: (piece: Piece) => void): void {
    if (this.waiting || this.#next >= this.pieces.length) throw new Error('pulled too often');
    this.waiting = done;
  }

  give(): void {
    const done = this.waiting;
    const piece = this.pieces[this.#next++];
    this.waiting = null;
    if (piece) done?.(piece);
  }

  cancel(): void {
    this.cancelled += 1;
    this.waiting = null;
  }
}

const filled = (length: number, seed: number): Buffer => {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) + seed) & 0xff;
  return bytes;
};

test('every byte once and in order, or an early end; no more than a piece is buffered', () => {
  fc.assert(
    fc.property(
      fc.record({
        sizes: fc.array(
          fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 200 * KIB })),
          { maxLength: 12 },
        ),
        rooms: fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 100 * KIB })), {
          maxLength: 12,
        }),
        turns: fc.array(fc.constantFrom('give', 'writable', 'tick'), {
          minLength: 1,
          maxLength: 20,
        }),
        fails: fc.boolean(),
        abortAfter: fc.oneof(
          { weight: 3, arbitrary: fc.constant(Number.MAX_SAFE_INTEGER) },
          fc.nat(30),
        ),
      }),
      ({ sizes, rooms, turns, fails, abortAfter }) => {
        const pieces = sizes.map((size, i) => filled(size, i));
        const error = { ok: false, code: 'down', errno: 0 } as const;
        const source = new Source([
          ...pieces.map((bytes) => ({ kind: 'piece', bytes }) as const),
          fails ? { kind: 'failed', error } : { kind: 'end' },
        ]);
        const takes = [...rooms, 2 * KIB];
        let take = 0;
        let starved = 0;
        const socket = new Socket(() => {
          const room = takes[take++ % takes.length] ?? 0;
          if (room < PROBE) starved += 1;
          return room;
        });
        const ends: [number, boolean][] = [];
        let tick: (() => void) | null = null;
        const transfers = new Transfers(1e9);
        transfers.add = (one) => {
          let now = 0;
          tick = () => {
            now += 10_000;
            one.tick(now, 1e9);
          };
        };
        const failures: string[] = [];
        const abort = streamBody(socket.response, '200 OK', source, {
          close: false,
          waitedMs: 0,
          transfers,
          outcome: {
            began: () => undefined,
            sent: (bytes, complete) => ends.push([bytes, complete]),
            failed: ({ code }) => failures.push(code),
          },
        });
        for (let step = 0; ends.length + failures.length === 0; step++) {
          if (step > 20_000) throw new Error('the stream does not end');
          if (socket.closed || step >= abortAfter) {
            abort();
            continue;
          }
          // Each kind of turn comes for sure, whatever was generated.
          const turn =
            step % 2 === 0
              ? turns[(step / 2) % turns.length]
              : (['give', 'writable'] as const)[((step - 1) / 2) % 2];
          if (turn === 'give' && source.waiting) source.give();
          else if (turn === 'writable' && socket.wantsWritable) {
            socket.wantsWritable = false;
            socket.writable?.();
          } else if (turn === 'tick') (tick as (() => void) | null)?.();
        }
        const sent = Buffer.concat(socket.taken);
        const whole = Buffer.concat(pieces);
        const complete = socket.ended;
        expect(sent.equals(whole.subarray(0, sent.length))).toBe(true);
        // Before anything was written another answer can be given: the stream only says so.
        if (failures.length > 0) expect([failures.length, ends, socket.head]).toEqual([1, [], '']);
        else expect(ends).toEqual([[sent.length, complete]]);
        if (complete) expect(sent.length).toBe(whole.length);
        expect(complete && fails).toBe(false);
        expect(source.cancelled).toBe(1);
        // A piece, and a probe for each time that the kernel took less than that.
        expect(socket.mostBuffered).toBeLessThanOrEqual(15 * KIB + PROBE * (8 + starved));
      },
    ),
    { numRuns: 200 },
  );
});

const sending = (transfers: Transfers, close: boolean): Sending => ({
  close,
  waitedMs: 0,
  transfers,
  outcome: { began: () => undefined, sent: () => undefined, failed: () => undefined },
});

test('the head says that the connection will be closed', () => {
  const socket = new Socket(() => 1e9);
  const source = new Source([{ kind: 'end' }]);
  streamBody(socket.response, '200 OK\r\nA: b', source, sending(new Transfers(1e9), true));
  source.give();
  expect(socket.head).toBe('200 OK\r\nA: b\r\nConnection: close');
});

test('a long head leaves room for the first bytes', () => {
  const socket = new Socket(() => 1e9);
  const source = new Source([{ kind: 'piece', bytes: filled(100 * KIB, 0) }, { kind: 'end' }]);
  const head = `200 OK\r\nA: ${'b'.repeat(10 * KIB)}`;
  streamBody(socket.response, head, source, sending(new Transfers(1e9), false));
  source.give();
  source.give();
  expect(Buffer.concat(socket.taken).equals(filled(100 * KIB, 0))).toBe(true);
  expect(socket.ended).toBe(true);
});

test('a client that takes nothing is cut off after send-timeout, and not before', () => {
  const socket = new Socket(() => 0);
  const source = new Source([
    { kind: 'piece', bytes: filled(1000, 0) },
    { kind: 'piece', bytes: filled(5000, 0) },
  ]);
  const transfers = new Transfers(60_000);
  let tick: ((now: number) => void) | null = null;
  transfers.add = (one) => {
    tick = (now) => one.tick(now, 60_000);
  };
  streamBody(socket.response, '200 OK', source, sending(transfers, false));
  source.give();
  source.give();
  const start = performance.now();
  const at = (ms: number): boolean => {
    (tick as ((now: number) => void) | null)?.(start + ms);
    return socket.closed;
  };
  expect([at(1000), at(30_000), at(59_000), at(61_000)]).toEqual([false, false, false, true]);
});
