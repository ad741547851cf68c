/** Requests and open files that outlive the connection they began on. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { type InUse, openByLatest } from '../../src/storage/handover.js';
import type {
  Opened,
  OpenFile,
  OpenRequest,
  OpenResult,
  ReadResult,
  StorageErrorCode,
} from '../../src/storage/storage.js';
import { haveOtherBricks } from '../../src/storage/volfile/bricks.js';

const REQUEST: OpenRequest = {
  root: 1,
  candidates: ['a.br', 'a'],
  body: true,
  from: 0,
  listing: false,
};
const GFID = '0'.repeat(32);

const failure = (code: StorageErrorCode): OpenResult & ReadResult => ({
  ok: false,
  code,
  errno: 5,
});

/** A connection that answers when it is told to. */
class Fake {
  readonly opens: { request: OpenRequest; done: (result: OpenResult) => void }[] = [];
  readonly reads: { offset: number; done: (result: ReadResult) => void }[] = [];
  cancelled = 0;
  released = 0;

  constructor(readonly name: string) {}

  open(request: OpenRequest, done: (result: OpenResult) => void): () => void {
    this.opens.push({ request, done });
    return () => {
      this.cancelled += 1;
    };
  }

  answer(result: OpenResult): void {
    const open = this.opens.shift();
    if (!open) throw new Error(`${this.name} was not asked`);
    open.done(result);
  }

  answerRead(result: ReadResult): void {
    const read = this.reads.shift();
    if (!read) throw new Error(`${this.name} was not read from`);
    read.done(result);
  }

  file(gfid = GFID): Opened {
    const file: OpenFile = {
      read: (offset, _length, done) => this.reads.push({ offset, done }),
      release: () => {
        this.released += 1;
      },
    };
    return {
      ok: true,
      candidate: 0,
      stat: {
        type: 'file',
        size: 1 << 20,
        mtimeSeconds: 1,
        mtimeNanoseconds: 2,
        ctimeSeconds: 3,
        ctimeNanoseconds: 4,
        gfid,
      },
      chunk: null,
      chunkOffset: 0,
      file,
      folder: null,
    };
  }
}

const bytes = (text: string): ReadResult => ({
  ok: true,
  chunk: { bytes: Buffer.from(text), release: () => undefined },
});

let former: Fake;
let latest: Fake;
let current: Fake | null;
let results: OpenResult[];
const inUse: InUse = () => current;

beforeEach(() => {
  former = new Fake('the former one');
  latest = new Fake('the latest one');
  current = former;
  results = [];
});

const begin = (): (() => void) =>
  openByLatest(former, inUse, REQUEST, (result) => results.push(result));

test.each(['down', 'io', 'not-found', 'forbidden', 'changed'] as const)(
  'what was %s over a former connection is asked for over the latest, with the time that is left',
  (code) => {
    begin();
    current = latest;
    former.answer(failure(code));
    expect(results).toEqual([]);
    expect(latest.opens[0]?.request).toMatchObject({ candidates: ['a.br', 'a'] });
    expect(latest.opens[0]?.request.waitedMs).toBeGreaterThanOrEqual(0);
    latest.answer(failure('not-found'));
    expect(results).toEqual([failure('not-found')]);
  },
);

test.each(['timeout', 'busy', 'cancelled', 'not-regular'] as const)('%s is final', (code) => {
  begin();
  current = latest;
  former.answer(failure(code));
  expect(results).toEqual([failure(code)]);
});

test('without another connection a failure is final', () => {
  begin();
  former.answer(failure('io'));
  begin();
  current = null;
  former.answer(failure('down'));
  expect(results).toEqual([failure('io'), failure('down')]);
});

test('cancelling reaches the call that is under way', () => {
  const cancel = begin();
  current = latest;
  former.answer(failure('io'));
  cancel();
  expect([former.cancelled, latest.cancelled]).toEqual([0, 1]);
});

function opened(): OpenFile {
  begin();
  former.answer(former.file());
  const [result] = results;
  if (!result?.ok || result.file === null) throw new Error('no file');
  return result.file;
}

test('a read that fails over a former connection goes on over the latest, and so do the next ones', () => {
  const file = opened();
  const got: string[] = [];
  const read = (offset: number): void =>
    file.read(offset, 4, (result) => got.push(result.ok ? `${result.chunk.bytes}` : result.code));
  read(0);
  former.answerRead(bytes('0000'));
  current = latest;
  read(4);
  read(8);
  former.answerRead(bytes('4444'));
  former.answerRead(failure('down'));
  expect(latest.opens).toHaveLength(1);
  expect(latest.opens[0]?.request).toMatchObject({ candidates: ['a.br'], from: 8 });
  latest.answer(latest.file());
  latest.answerRead(bytes('8888'));
  read(12);
  latest.answerRead(bytes('cccc'));
  expect(got).toEqual(['0000', '4444', '8888', 'cccc']);
  file.release();
  expect([former.released, latest.released]).toEqual([1, 1]);
});

describe('a read that no brick answers for a moment', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  test('is asked for again over the same connection', () => {
    const file = opened();
    const got: boolean[] = [];
    file.read(0, 4, (result) => got.push(result.ok));
    former.answerRead(failure('down'));
    expect(former.reads).toHaveLength(0);
    jest.advanceTimersByTime(100);
    expect(former.reads).toMatchObject([{ offset: 0 }]);
    former.answerRead(bytes('0000'));
    expect(got).toEqual([true]);
  });

  test('fails with what the fourth attempt failed with', () => {
    const file = opened();
    const got: ReadResult[] = [];
    file.read(0, 4, (result) => got.push(result));
    for (let attempt = 0; attempt < 3; attempt++) {
      former.answerRead(failure('down'));
      jest.advanceTimersByTime(100);
    }
    expect(got).toEqual([]);
    former.answerRead(failure('io'));
    file.read(0, 4, (result) => got.push(result));
    for (let attempt = 0; attempt < 4; attempt++) {
      former.answerRead(failure('down'));
      jest.advanceTimersByTime(100);
    }
    expect(got).toEqual([failure('io'), failure('down')]);
    expect(former.reads).toEqual([]);
  });

  test('fails at once where the volume is down', () => {
    const file = opened();
    const got: ReadResult[] = [];
    current = null;
    file.read(0, 4, (result) => got.push(result));
    former.answerRead(failure('down'));
    expect(got).toEqual([failure('down')]);
  });

  test('is not asked for again once the file is released', () => {
    const file = opened();
    const got: ReadResult[] = [];
    file.read(0, 4, (result) => got.push(result));
    former.answerRead(failure('down'));
    file.release();
    jest.advanceTimersByTime(100);
    expect(got).toEqual([failure('down')]);
    expect(former.reads).toEqual([]);
  });

  test('goes on over a connection that came meanwhile', () => {
    const file = opened();
    const got: string[] = [];
    file.read(0, 4, (result) => got.push(result.ok ? `${result.chunk.bytes}` : result.code));
    former.answerRead(failure('down'));
    current = latest;
    jest.advanceTimersByTime(100);
    former.answerRead(failure('down'));
    latest.answer(latest.file());
    latest.answerRead(bytes('0000'));
    expect(got).toEqual(['0000']);
  });
});

test('reads that fail together open the file once', () => {
  const file = opened();
  const got: boolean[] = [];
  for (const offset of [0, 4, 8]) file.read(offset, 4, (result) => got.push(result.ok));
  current = latest;
  former.answerRead(failure('io'));
  former.answerRead(failure('io'));
  latest.answer(latest.file());
  former.answerRead(failure('io'));
  expect(latest.opens).toHaveLength(0);
  for (let i = 0; i < 3; i++) latest.answerRead(bytes('x'));
  expect(got).toEqual([true, true, true]);
});

test('another file under the name ends the download with what had failed', () => {
  const file = opened();
  const got: ReadResult[] = [];
  file.read(0, 4, (result) => got.push(result));
  current = latest;
  former.answerRead(failure('io'));
  latest.answer(latest.file('f'.repeat(32)));
  expect(got).toEqual([failure('io')]);
  expect([former.released, latest.released]).toEqual([0, 1]);
});

test('a file that is released meanwhile leaves nothing open', () => {
  const file = opened();
  const got: ReadResult[] = [];
  file.read(0, 4, (result) => got.push(result));
  current = latest;
  former.answerRead(failure('io'));
  file.release();
  latest.answer(latest.file());
  expect([former.released, latest.released]).toEqual([1, 1]);
  expect(got).toEqual([failure('io')]);
});

test('what seems to have changed over a former connection is compared over the latest', () => {
  const file = opened();
  const got: boolean[] = [];
  current = latest;
  file.read(0, 4, (result) => got.push(result.ok));
  former.answerRead(failure('changed'));
  latest.answer(latest.file());
  latest.answerRead(bytes('x'));
  file.read(4, 4, (result) => got.push(result.ok));
  latest.answerRead(failure('changed'));
  expect(got).toEqual([true, false]);
});

const LAYOUT = `volume v-client-0
    type protocol/client
    option ping-timeout 42
    option remote-subvolume /b0
    option remote-host h
end-volume

volume v-dht
    type cluster/distribute
    subvolumes v-client-0 v-client-1
end-volume
`;

test.each([
  ['the same', LAYOUT, false],
  ['another option', LAYOUT.replace('42', '10'), false],
  ['another folder', LAYOUT.replace('/b0', '/b2'), true],
  ['another host', LAYOUT.replace('host h', 'host i'), true],
  ['one brick less', LAYOUT.replace(' v-client-1', ''), true],
  ['copies', LAYOUT.replace('distribute', 'replicate'), true],
])('whether the bricks are others: %s', (_what, text, expected) => {
  expect(haveOtherBricks(LAYOUT, text)).toBe(expected);
});
