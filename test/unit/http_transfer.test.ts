/** The sender against a socket that takes what it likes: every byte once, in order, and every chunk given back. */

import type { HttpResponse } from 'uWebSockets.js';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Transfer, Transfers } from '../../src/http/transfer.js';
import type { Chunk, OpenFile, ReadResult } from '../../src/storage/storage.js';

/** Behaves as uWebSockets.js does for tryEnd: takes a part, counts, and takes an empty chunk for the end. */
class Socket {
  readonly taken: Buffer[] = [];
  offset = 0;
  done = false;
  closed = false;
  writable: ((offset: number) => boolean) | null = null;

  constructor(private readonly room: () => number) {}

  readonly response = {
    cork: (body: () => void) => body(),
    onWritable: (handler: (offset: number) => boolean) => {
      this.writable = handler;
    },
    getWriteOffset: () => this.offset,
    close: () => {
      this.closed = true;
    },
    tryEnd: (chunk: Uint8Array, total: number): [boolean, boolean] => {
      if (this.done || this.closed) throw new Error('written to after the end');
      if (chunk.length === 0) throw new Error('an empty chunk ends the answer');
      const taken = Math.min(chunk.length, this.room());
      this.taken.push(Buffer.from(chunk.subarray(0, taken)));
      this.offset += taken;
      this.done = this.offset === total;
      return [taken === chunk.length, this.done];
    },
  } as unknown as HttpResponse;
}

/** A file whose reads complete in any order; counts what is lent out. */
class File {
  lent = 0;
  released = 0;
  readonly pending: (() => void)[] = [];

  constructor(
    readonly content: Buffer,
    private readonly failAt: number,
  ) {}

  chunk(offset: number, length: number): Chunk {
    this.lent += 1;
    let out = false;
    // A copy, wiped on release: whoever used it later would send zeros.
    const bytes = Buffer.from(this.content.subarray(offset, offset + length));
    return {
      bytes,
      release: () => {
        expect(out).toBe(false);
        out = true;
        this.lent -= 1;
        bytes.fill(0);
      },
    };
  }

  readonly open: OpenFile = {
    read: (offset, length, done: (result: ReadResult) => void) => {
      expect(offset + length).toBeLessThanOrEqual(this.content.length);
      this.pending.push(() => {
        if (offset + length > this.failAt) done({ ok: false, code: 'changed', errno: 0 });
        else done({ ok: true, chunk: this.chunk(offset, length) });
      });
    },
    release: () => {
      this.released += 1;
    },
  };
}

const KIB = 1024;

test('every byte once and in order, or an early end; nothing stays lent', () => {
  fc.assert(
    fc.property(
      fc.record({
        size: fc.integer({ min: 1, max: 3000 * KIB }),
        first: fc.integer({ min: 1, max: 64 * KIB }),
        rooms: fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 400 * KIB })), {
          maxLength: 20,
        }),
        picks: fc.array(fc.nat(10), { minLength: 1, maxLength: 20 }),
        failAt: fc.oneof(
          { weight: 4, arbitrary: fc.constant(Number.MAX_SAFE_INTEGER) },
          fc.nat(3000 * KIB),
        ),
        abortAfter: fc.oneof(
          { weight: 4, arbitrary: fc.constant(Number.MAX_SAFE_INTEGER) },
          fc.nat(40),
        ),
      }),
      ({ size, first, rooms, picks, failAt, abortAfter }) => {
        const content = Buffer.alloc(size);
        for (let i = 0; i < size; i++) content[i] = (i * 31 + (i >> 8)) & 0xff;
        const file = new File(content, failAt);
        // Now and then there is plenty of room, or the transfer would take for ever.
        const turns = [...rooms, 64 * KIB];
        let turn = 0;
        const socket = new Socket(() => turns[turn++ % turns.length] ?? 0);
        const transfers = new Transfers(60_000);
        const ends: [number, boolean][] = [];
        const begin = Math.min(first, size);
        const transfer = new Transfer(
          socket.response,
          size,
          file.chunk(0, begin),
          begin === size ? null : file.open,
          transfers,
          (bytes, complete) => ends.push([bytes, complete]),
        );
        transfer.start();
        for (let step = 0; ends.length === 0; step++) {
          if (step > 20_000) throw new Error('the transfer does not end');
          if (socket.closed || step >= abortAfter) {
            transfer.abort();
          } else if (file.pending.length > 0 && step % 2 === 0) {
            const pick = (picks[step % picks.length] ?? 0) % file.pending.length;
            file.pending.splice(pick, 1)[0]?.();
          } else {
            socket.writable?.(socket.offset);
          }
        }
        for (const read of file.pending.splice(0)) read();
        const sent = Buffer.concat(socket.taken);
        expect(sent.equals(content.subarray(0, sent.length))).toBe(true);
        expect(ends).toEqual([[sent.length, sent.length === size]]);
        expect(file.lent).toBe(0);
        expect(transfers.heldBytes).toBe(0);
        expect(file.released).toBe(begin === size ? 0 : 1);
      },
    ),
    { numRuns: 500 },
  );
});
