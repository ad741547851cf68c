/** Ranges: every header and size against plain slices of the file, down to the bytes that the client gets. */

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { UNCONDITIONAL } from '../../src/http/conditional.js';
import { decideRange, firstByte, MAX_RANGES } from '../../src/http/range.js';
import { contentReply, etag } from '../../src/http/reply.js';
import { type Outcome, Transfer, Transfers } from '../../src/http/transfer.js';
import type { Opened, Stat } from '../../src/storage/storage.js';
import { File, Socket } from '../support/fake_socket.js';
import { testMount } from '../support/test_mount.js';

const WHOLE = { kind: 'whole' };
const NO = { kind: 'unsatisfiable' };
const one = (start: number, end: number) => ({ kind: 'one', range: { start, end } });
const many = (...ends: [number, number][]) => ({
  kind: 'many',
  ranges: ends.map(([start, end]) => ({ start, end })),
});

describe('of 1,000 bytes', () => {
  test.each([
    ['bytes=0-0', one(0, 0)],
    ['bytes=0-999', one(0, 999)],
    ['bytes=999-', one(999, 999)],
    ['bytes=500-100000', one(500, 999)],
    ['bytes=-1', one(999, 999)],
    ['bytes=-5000', one(0, 999)],
    ['bytes=-99999999999999999999', one(0, 999)],
    ['bytes=0-99999999999999999999', one(0, 999)],
    ['BYTES=1-2', one(1, 2)],
    ['bytes= 1-2 ', one(1, 2)],
    ['bytes=,1-2,,', one(1, 2)],
    ['bytes=0-1,5-6', many([0, 1], [5, 6])],
    ['bytes=5-6 , 0-1', many([5, 6], [0, 1])],
    ['bytes=0-0,-1', many([0, 0], [999, 999])],
    // Overlapping and adjacent ones are merged.
    ['bytes=0-9,5-19', one(0, 19)],
    ['bytes=0-9,10-19', one(0, 19)],
    ['bytes=0-9,11-19', many([0, 9], [11, 19])],
    ['bytes=900-909,0-9,905-919', many([900, 919], [0, 9])],
    // One that can't be satisfied is left out; so is one that ends before it begins, as with nginx.
    ['bytes=0-9,1000-', one(0, 9)],
    ['bytes=9-0,1-2', one(1, 2)],
    ['bytes=1000-', NO],
    ['bytes=1000-2000', NO],
    ['bytes=99999999999999999999-', NO],
    ['bytes=-0', NO],
    ['bytes=9-0', NO],
    // Malformed.
    ['bytes=', NO],
    ['bytes=,', NO],
    ['bytes=a-b', NO],
    ['bytes=1', NO],
    ['bytes=1-2-3', NO],
    ['bytes=--1', NO],
    ['bytes=-', NO],
    ['bytes=1 -2', NO],
    ['bytes=0x1-2', NO],
    ['bytes=1-2,x', NO],
    ['bytes=1.5-2', NO],
    // Other units, and what has none.
    ['bits=0-1', WHOLE],
    ['bytes', WHOLE],
    ['bytes 0-1', WHOLE],
    ['', WHOLE],
    // More in all than there is.
    ['bytes=0-,0-', WHOLE],
    ['bytes=0-600,300-999', WHOLE],
    ['bytes=0-499,500-999', one(0, 999)],
  ])('%s', (header, decision) => {
    expect(decideRange(header, 1000)).toEqual(decision);
  });

  test(`${MAX_RANGES} ranges are answered, one more is not`, () => {
    const header = (count: number): string =>
      `bytes=${Array.from({ length: count }, (_, index) => `${index * 3}-${index * 3}`).join(',')}`;
    expect(decideRange(header(MAX_RANGES), 1000).kind).toBe('many');
    expect(decideRange(header(MAX_RANGES + 1), 1000)).toEqual(WHOLE);
  });
});

test.each([
  ['bytes=0-', NO],
  ['bytes=-1', NO],
])('an empty file has no range: %s', (header, decision) => {
  expect(decideRange(header, 0)).toEqual(decision);
});

test('offsets are exact beyond 4 GiB', () => {
  const size = 6 * 2 ** 30;
  expect(decideRange(`bytes=${2 ** 32 - 1}-${2 ** 32}`, size)).toEqual(one(2 ** 32 - 1, 2 ** 32));
  expect(decideRange(`bytes=${size - 1}-`, size)).toEqual(one(size - 1, size - 1));
});

test.each([
  ['bytes=7-9', 7],
  ['bytes= 7-,1-2', 7],
  ['bytes=-5', 0],
  ['bits=7-9', 0],
  ['bytes=9999999999999999-', 0],
])('%s is read from %d on', (header, offset) => {
  expect(firstByte(header)).toBe(offset);
});

/** The ranges of a header as RFC 9110 §14.1.2 says, one byte at a time; null: it is malformed or another unit. */
function reference(header: string, size: number): number[][] | null {
  const [unit = '', set, ...more] = header.split('=');
  if (unit.toLowerCase() !== 'bytes' || set === undefined || more.length > 0) return null;
  const specs = set.split(',').map((spec) => spec.trim());
  const given = specs.filter((spec) => spec !== '');
  if (given.length === 0) return null;
  const ranges: number[][] = [];
  for (const spec of given) {
    const dash = spec.indexOf('-');
    const [first, last] = [spec.slice(0, dash), spec.slice(dash + 1)];
    const digits = (text: string): boolean =>
      text !== '' && [...text].every((c) => c >= '0' && c <= '9');
    if (dash === -1 || !(digits(first) || first === '') || !(digits(last) || last === ''))
      return null;
    if (first === '' && last === '') return null;
    const bytes: number[] = [];
    for (let at = 0; at < size; at++) {
      const inside =
        first === ''
          ? at >= size - Number(last)
          : at >= Number(first) && (last === '' || at <= Number(last));
      if (inside) bytes.push(at);
    }
    ranges.push(bytes);
  }
  return ranges;
}

const mount = testMount({});
const number = fc.oneof(fc.nat(12), fc.nat(400), fc.constantFrom(2 ** 31, 2 ** 53, 1e21));
const spec = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(number, number).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
  },
  { weight: 2, arbitrary: number.map((first) => `${first}-`) },
  { weight: 2, arbitrary: number.map((length) => `-${length}`) },
  fc.tuple(number, number).map(([a, b]) => `${a}-${b}`),
  fc.constantFrom('', ' ', 'x', '-', '1-2-3', '0x1-3'),
);
const header = fc
  .tuple(
    fc.constantFrom('bytes=', 'bytes=', 'bytes=', 'Bytes=', 'bits=', 'bytes'),
    fc.array(spec, { minLength: 0, maxLength: 8 }),
    fc.constantFrom(',', ', ', ' ,'),
  )
  // As BigInt prints it: no exponent.
  .map(
    ([unit, specs, comma]) => unit + specs.join(comma).replace(/1e\+21/g, '1000000000000000000000'),
  );

/** Everything that the client of one answer gets. */
function answer(text: string, size: number, inline: boolean, rooms: readonly number[]) {
  const content = Buffer.from(Array.from({ length: size }, (_, at) => (at * 7 + (at >> 5)) & 0xff));
  const file = new File(content, Number.MAX_SAFE_INTEGER);
  const reads: [number, number][] = [];
  const from = inline ? 0 : firstByte(text);
  const chunk = inline
    ? size > 0
      ? file.chunk(0, size)
      : null
    : from < size
      ? file.chunk(from, Math.min(16, size - from))
      : null;
  const stat: Stat = {
    type: 'file',
    size,
    mtimeSeconds: 784111777,
    mtimeNanoseconds: 0,
    ctimeSeconds: 1_700_000_000,
    ctimeNanoseconds: 0,
    gfid: '0'.repeat(32),
  };
  const opened: Opened = {
    ok: true,
    candidate: 0,
    stat,
    chunk,
    chunkOffset: from,
    folder: null,
    file:
      inline || size === 0
        ? null
        : {
            read: (offset, length, done) => {
              reads.push([offset, length]);
              file.open.read(offset, length, done);
            },
            release: () => file.open.release(),
          },
  };
  const conditions = { ...UNCONDITIONAL, ifRange: etag(stat), range: text };
  const asked = { isHead: false, conditions, nowMs: 0, nextBoundary: () => 'BoundarY' };
  const representation = { mount, name: '/a.bin', encoding: null, compressed: false };
  const reply = contentReply(opened, representation, asked);
  let sent = Buffer.alloc(0);
  if (reply.kind === 'file') {
    let turn = 0;
    const socket = new Socket(() => rooms[turn++ % rooms.length] ?? 1);
    const transfers = new Transfers(60_000);
    let complete = false;
    const outcome: Outcome = {
      began: () => undefined,
      sent: (bytes, whole) => {
        complete = whole && bytes === reply.body.length;
      },
      failed: ({ code }) => {
        throw new Error(code);
      },
    };
    new Transfer(socket.response, reply.head, reply.body, transfers, outcome).start(0);
    for (let step = 0; !complete; step++) {
      if (step > 20_000 || socket.closed) throw new Error('the answer does not end');
      (file.pending.shift() ?? (() => socket.writable?.(socket.offset)))();
    }
    expect(transfers.heldBytes).toBe(0);
    sent = Buffer.concat(socket.taken);
  }
  expect(file.lent).toBe(0);
  expect(file.released).toBe(opened.file === null ? 0 : 1);
  return { content, reply, sent, reads };
}

/** multipart/byteranges, read as a client would. */
function parts(body: Buffer, contentType: string): { start: number; end: number; bytes: Buffer }[] {
  const boundary = /boundary=(.*)$/.exec(contentType)?.[1] ?? '';
  const found: { start: number; end: number; bytes: Buffer }[] = [];
  let rest = body;
  for (;;) {
    const delimiter = Buffer.from(`\r\n--${boundary}`);
    expect(rest.subarray(0, delimiter.length).equals(delimiter)).toBe(true);
    rest = rest.subarray(delimiter.length);
    if (rest.toString('latin1') === '--\r\n') return found;
    const headEnd = rest.indexOf('\r\n\r\n');
    const head = rest.subarray(0, headEnd).toString('latin1');
    const [, start, end] = /Content-Range: bytes (\d+)-(\d+)\/\d+/.exec(head) ?? [];
    expect(head).toContain('\r\nContent-Type: application/octet-stream');
    const length = Number(end) - Number(start) + 1;
    const bytes = rest.subarray(headEnd + 4, headEnd + 4 + length);
    found.push({ start: Number(start), end: Number(end), bytes });
    rest = rest.subarray(headEnd + 4 + length);
  }
}

test('any Range of any file gives the bytes that slicing gives, each once', () => {
  const kinds = new Set<number | string>();
  fc.assert(
    fc.property(
      header,
      fc.oneof(fc.nat(20), fc.nat(400)),
      fc.boolean(),
      fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 5 }),
      (text, size, inline, rooms) => {
        const { content, reply, sent, reads } = answer(text, size, inline, rooms);
        const ranges = reference(text, size);
        const satisfiable = ranges?.filter((bytes) => bytes.length > 0) ?? [];
        const unitKnown = /^bytes=/i.test(text);
        const asked = satisfiable.reduce((sum, bytes) => sum + bytes.length, 0);
        const tooMuch = (ranges?.length ?? 0) > 1 && asked > size;
        const status = !unitKnown ? 200 : satisfiable.length === 0 ? 416 : tooMuch ? 200 : 206;
        expect([text, size, reply.status]).toEqual([text, size, status]);
        if (status === 416) {
          expect(reply.head).toContain(`\r\nContent-Range: bytes */${size}`);
          return;
        }
        kinds.add(status);
        if (reply.kind === 'file') expect(sent.length).toBe(reply.body.length);
        // No byte of the file is read twice.
        const read = reads.reduce((sum, [, length]) => sum + length, 0);
        expect(read).toBeLessThanOrEqual(size);
        if (status === 200) {
          expect(sent.equals(content)).toBe(true);
          return;
        }
        const wanted = [...new Set(satisfiable.flat())].sort((a, b) => a - b);
        const [, type = ''] = /Content-Type: (.*?)(?:\r\n|$)/.exec(reply.head) ?? [];
        const multi = type.startsWith('multipart/byteranges');
        const single = /Content-Range: bytes (\d+)-(\d+)\/(\d+)/.exec(reply.head);
        expect(multi).toBe(single === null);
        kinds.add(multi ? 'many' : 'one');
        const got = multi
          ? parts(sent, type)
          : [{ start: Number(single?.[1]), end: Number(single?.[2]), bytes: sent }];
        for (const { start, end, bytes } of got) {
          expect(bytes.equals(content.subarray(start, end + 1))).toBe(true);
        }
        const covered = got.flatMap(({ start, end }) =>
          Array.from({ length: end - start + 1 }, (_, index) => start + index),
        );
        // Nothing twice, nothing more, nothing less.
        expect([...covered].sort((a, b) => a - b)).toEqual(wanted);
      },
    ),
    { numRuns: 3000 },
  );
  expect([...kinds].map(String).sort()).toEqual(['200', '206', 'many', 'one']);
});
