/** The sender against a socket that takes what it likes: every byte once, in order, and every chunk given back. */

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Piece } from '../../src/http/body.js';
import { Transfer, Transfers } from '../../src/http/transfer.js';
import type { OpenFile } from '../../src/storage/storage.js';
import { File, Socket } from '../support/fake_socket.js';

const KIB = 1024;

test('every byte once and in order, or an early end; nothing stays lent', () => {
  fc.assert(
    fc.property(
      fc.record({
        size: fc.integer({ min: 1, max: 3000 * KIB }),
        /** What came with the file, and where it begins. */
        first: fc.integer({ min: 1, max: 64 * KIB }),
        from: fc.oneof(fc.constant(0), fc.nat(3000 * KIB)),
        /** Where pieces of the file end, and how long the text between them is. */
        cuts: fc.array(fc.tuple(fc.nat(3000 * KIB), fc.nat(300)), { maxLength: 6 }),
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
      ({ size, first, from, cuts, rooms, picks, failAt, abortAfter }) => {
        const content = Buffer.alloc(size);
        for (let i = 0; i < size; i++) content[i] = (i * 31 + (i >> 8)) & 0xff;
        const file = new File(content, failAt);
        // Now and then there is plenty of room, or the transfer would take for ever.
        const turns = [...rooms, 64 * KIB];
        let turn = 0;
        const socket = new Socket(() => turns[turn++ % turns.length] ?? 0);
        const transfers = new Transfers(60_000);
        const ends: [number, boolean][] = [];
        const chunkOffset = from < size ? from : 0;
        const chunk = file.chunk(chunkOffset, Math.min(first, size - chunkOffset));
        const complete = chunk.bytes.length === size;
        const pieces: Piece[] = [];
        const expected: Buffer[] = [];
        let offset = 0;
        for (const [cut, text] of [...cuts.sort(([a], [b]) => a - b), [size, 0] as const]) {
          const end = Math.min(cut, size);
          if (end > offset) pieces.push({ kind: 'file', offset, length: end - offset });
          expected.push(content.subarray(offset, Math.max(offset, end)));
          offset = Math.max(offset, end);
          const bytes = Buffer.alloc(text, '-');
          if (text > 0) pieces.push({ kind: 'bytes', bytes });
          expected.push(bytes);
        }
        const wanted = Buffer.concat(expected);
        const failures: string[] = [];
        const transfer = new Transfer(
          socket.response,
          '200 OK',
          { length: wanted.length, pieces, chunk, chunkOffset, file: complete ? null : file.open },
          transfers,
          {
            began: () => undefined,
            sent: (bytes, complete) => ends.push([bytes, complete]),
            failed: ({ code }) => failures.push(code),
          },
        );
        transfer.start(0);
        for (let step = 0; ends.length + failures.length === 0; step++) {
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
        expect(sent.equals(wanted.subarray(0, sent.length))).toBe(true);
        // Before anything was written, head and all, another answer can be given: the transfer only says so.
        if (failures.length > 0)
          expect([failures, ends, socket.head]).toEqual([['changed'], [], '']);
        else expect(ends).toEqual([[sent.length, sent.length === wanted.length]]);
        if (sent.length > 0) expect(socket.head).toBe('200 OK');
        expect(file.lent).toBe(0);
        expect(transfers.heldBytes).toBe(0);
        expect(file.released).toBe(complete ? 0 : 1);
      },
    ),
    { numRuns: 500 },
  );
});

test('a body that was begun by somebody else goes on where that stopped', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 3000 * KIB }),
      fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 400 * KIB })), { maxLength: 20 }),
      (size, rooms) => {
        const content = Buffer.alloc(size);
        for (let i = 0; i < size; i++) content[i] = (i * 31 + (i >> 8)) & 0xff;
        const file = new File(content, size);
        const turns = [...rooms, 64 * KIB];
        let turn = 0;
        const socket = new Socket(() => turns[turn++ % turns.length] ?? 0);
        const chunk = file.chunk(0, size);
        socket.response.writeStatus('200 OK');
        const [, done] = socket.response.tryEnd(chunk.bytes, size);
        if (done) return;
        const ends: [number, boolean][] = [];
        const body = {
          length: size,
          pieces: [{ kind: 'file', offset: 0, length: size } as const],
          chunk,
          chunkOffset: 0,
          file: null,
        };
        const transfer = new Transfer(socket.response, '', body, new Transfers(60_000), {
          began: () => undefined,
          sent: (bytes, complete) => ends.push([bytes, complete]),
          failed: () => undefined,
        });
        transfer.resume(socket.response.getWriteOffset());
        while (!socket.done) socket.writable?.(socket.offset);
        expect(Buffer.concat(socket.taken).equals(file.content)).toBe(true);
        expect([ends, file.lent]).toEqual([[[size, true]], 0]);
      },
    ),
    { numRuns: 60 },
  );
});

test('one download reads what fits into 256 KiB at a time; of many no more than four do, and again when they have ended', () => {
  const size = 4096 * KIB;
  const transfers = new Transfers(60_000);
  const reading: number[] = [];
  let lengths: number[] = [];
  const begin = () => {
    const file = new File(Buffer.alloc(size, 'x'), Number.MAX_SAFE_INTEGER);
    const socket = new Socket(() => size);
    const read: OpenFile['read'] = (offset, length, done) => {
      reading.push(length);
      lengths.push(length);
      expect(reading.filter((one) => one > 128 * KIB).length).toBeLessThanOrEqual(4);
      file.open.read(offset, length, (result) => {
        reading.splice(reading.indexOf(length), 1);
        done(result);
      });
    };
    const body = { length: size, chunk: null, chunkOffset: 0, file: { ...file.open, read } };
    const pieces = [{ kind: 'file', offset: 0, length: size } as const];
    const outcome = { began: () => undefined, sent: () => undefined, failed: () => undefined };
    const transfer = new Transfer(socket.response, '', { ...body, pieces }, transfers, outcome);
    transfer.start(0);
    return { file, socket, transfer };
  };
  const downloads = (count: number, abortAt = Number.POSITIVE_INFINITY) => {
    lengths = [];
    const all = Array.from({ length: count }, begin);
    for (let round = 0; all.some(({ file }) => file.pending.length > 0); round++) {
      if (round === abortAt) for (const { transfer } of all) transfer.abort();
      for (const { file } of all) file.pending.shift()?.();
    }
    return all;
  };
  for (const { socket } of downloads(1)) expect(socket.offset).toBe(size);
  expect(new Set(lengths.slice(3, -3))).toEqual(new Set([252 * KIB]));
  for (const { socket } of downloads(8)) expect(socket.offset).toBe(size);
  expect(lengths).toContain(124 * KIB);
  expect(lengths).toContain(252 * KIB);
  for (const { file } of downloads(8, 5)) expect([file.lent, file.released]).toEqual([0, 1]);
  downloads(1);
  expect(new Set(lengths.slice(3, -3))).toEqual(new Set([252 * KIB]));
});
