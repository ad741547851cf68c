/** XDR, RPC and GETSPEC as bytes: what is asked, and what is made of whatever comes back. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  credentials,
  FETCHSPEC,
  GETSPEC,
  getspecArguments,
  parseSpec,
} from '../../src/storage/volfile/getspec.js';
import { callRecord, parseMessage, RecordReader } from '../../src/storage/volfile/rpc.js';
import { XdrReader, XdrWriter } from '../../src/storage/volfile/xdr.js';
import { record, refusal, reply, spec, volfile } from '../support/fake_glusterd.js';

const words = (...values: readonly number[]): Buffer => new XdrWriter().words(...values).bytes();
const NOTHING = Buffer.alloc(0);

test('words and opaque bytes are read as they were written', () => {
  fc.assert(
    fc.property(fc.integer(), fc.uint8Array({ maxLength: 40 }), (word, bytes) => {
      const written = new XdrWriter().words(word).opaque(bytes).words(7).bytes();
      expect(written.length % 4).toBe(0);
      const reader = new XdrReader(written);
      expect(reader.signed()).toBe(word);
      expect([...reader.opaque()]).toEqual([...bytes]);
      expect([reader.word(), reader.ok, reader.rest().length]).toEqual([7, true, 0]);
    }),
  );
});

test('past the end there is nothing, and it is said once and for all', () => {
  const reader = new XdrReader(words(8, 1));
  expect(reader.opaque()).toHaveLength(0);
  expect([reader.ok, reader.word(), reader.ok]).toEqual([false, 0, false]);
});

test('a question as libgfapi asks it', () => {
  const call = callRecord(1, GETSPEC, credentials(0x1234, 7, 8), getspecArguments('site'));
  const text = call.toString('latin1');
  expect(call.readUInt32BE(0)).toBe(0x80000000 + call.length - 4);
  const reader = new XdrReader(call.subarray(4));
  const head = Array.from({ length: 7 }, () => reader.word());
  expect(head).toEqual([1, 0, 2, 14398633, 2, 2, 390039]);
  const who = new XdrReader(Buffer.from(reader.opaque()));
  expect([who.word(), who.word(), who.word(), who.word()]).toEqual([0x1234, 7, 8, 0]);
  expect([...who.opaque()]).toEqual([0x34, 0x12, 0, 0]);
  expect([reader.word(), reader.word()]).toEqual([0, 0]);
  expect([reader.word(), reader.opaque().toString()]).toEqual([0, 'site']);
  const dict = reader.opaque();
  expect([dict.readInt32BE(0), dict.readInt32BE(4), dict.readInt32BE(8)]).toEqual([2, 14, 2]);
  expect(dict.subarray(12, 29).toString('latin1')).toBe('min-op-version\x001\0');
  expect(text).toContain('max-op-version\x00100000\0');
  expect([reader.ok, reader.rest().length]).toEqual([true, 0]);
});

const MESSAGES: readonly (readonly [string, Buffer, unknown])[] = [
  ['a reply', reply(5, words(9)).subarray(4), { kind: 'reply', xid: 5, results: words(9) }],
  [
    'a reply with a verifier',
    Buffer.concat([
      words(5, 1, 0, 1),
      new XdrWriter().opaque(Buffer.from('abc')).bytes(),
      words(0),
    ]),
    { kind: 'reply', xid: 5, results: NOTHING },
  ],
  ['a denial', words(5, 1, 1, 0, 2, 2), { kind: 'refusal', xid: 5, reason: 'it denied the call' }],
  [
    'a procedure that is not there',
    words(5, 1, 0, 0, 0, 3),
    { kind: 'refusal', xid: 5, reason: 'it does not have the procedure' },
  ],
  ['an unknown state', words(5, 1, 0, 0, 0, 99), { kind: 'refusal', xid: 5, reason: 'it said 99' }],
  [
    'an announcement',
    callRecord(3, FETCHSPEC, { flavor: 0, body: NOTHING }, NOTHING).subarray(4),
    { kind: 'call', procedure: FETCHSPEC },
  ],
  ['nothing', NOTHING, { kind: 'malformed', reason: 'a message that ends after 0 bytes' }],
  [
    'half a reply',
    words(5, 1, 0, 0),
    { kind: 'malformed', reason: 'a message that ends after 16 bytes' },
  ],
  [
    'a verifier longer than all',
    words(5, 1, 0, 0, 0x7fffffff, 0),
    { kind: 'malformed', reason: 'a message that ends after 24 bytes' },
  ],
  [
    'another direction',
    words(5, 2),
    { kind: 'malformed', reason: 'a message that is neither call nor reply (2)' },
  ],
  [
    'another RPC',
    words(5, 0, 3, 1, 1, 1),
    { kind: 'malformed', reason: 'a call of RPC version 3' },
  ],
];

test.each(MESSAGES)('%s', (_what, bytes, message) => {
  expect(parseMessage(bytes)).toEqual(message);
});

const TEXT = volfile('a-client-0');
const SPECS: readonly (readonly [string, Buffer, unknown])[] = [
  ['a volume file', spec(TEXT), { kind: 'text', text: TEXT }],
  ['bytes that are no UTF-8', spec(`${TEXT}# \xff`), { kind: 'text', text: `${TEXT}# \xff` }],
  ['no such volume', refusal(2), { kind: 'refused', errno: 2 }],
  [
    'no volume file',
    spec('<html>'),
    { kind: 'malformed', reason: 'something else than a volume file' },
  ],
  [
    'another length than was said',
    Buffer.concat([words(99), spec(TEXT).subarray(4)]),
    { kind: 'malformed', reason: 'something else than a volume file' },
  ],
  ['an empty one', spec(''), { kind: 'malformed', reason: 'something else than a volume file' }],
  [
    'one that is cut short',
    spec(TEXT).subarray(0, -8),
    { kind: 'malformed', reason: 'an answer that is cut short' },
  ],
];

test.each(SPECS)('%s', (_what, results, parsed) => {
  expect(parseSpec(results)).toEqual(parsed);
});

test('records come out whole, in whatever pieces and fragments they came', () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 5 });
  fc.assert(
    fc.property(bodies, fc.integer({ min: 1, max: 20 }), fc.boolean(), (all, step, split) => {
      const stream = Buffer.concat(
        all.map((body) => {
          const bytes = Buffer.from(body);
          if (!split) return record(bytes);
          const half = bytes.length >> 1;
          const first = Buffer.concat([words(half), bytes.subarray(0, half)]);
          return Buffer.concat([first, record(bytes.subarray(half))]);
        }),
      );
      const reader = new RecordReader();
      const got: Buffer[] = [];
      for (let at = 0; at < stream.length; at += step) {
        const result = reader.push(stream.subarray(at, at + step));
        if (!result.ok) throw new Error(result.reason);
        got.push(...result.records);
      }
      expect(got.map((body) => [...body])).toEqual(all.map((body) => [...body]));
    }),
  );
});

test.each([
  ['in one fragment', [words(0x80000000 | 101)]],
  ['in several', [words(60), Buffer.alloc(60), words(41)]],
])('a record that is too large is refused before it is there: %s', (_how, pieces) => {
  const reader = new RecordReader(100);
  const results = pieces.map((piece) => reader.push(piece));
  expect(results.at(-1)).toEqual({ ok: false, reason: 'a record of more than 100 bytes' });
});

test('whatever comes, nothing is thrown', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      parseMessage(Buffer.from(bytes));
      parseSpec(Buffer.from(bytes));
      new RecordReader(1000).push(Buffer.from(bytes));
    }),
  );
});
