/** The short way: which requests it takes, and what it keeps for them. */

import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { describe, expect, test } from '@jest/globals';
import type { Site } from '../../src/http/exchange.js';
import { askFields } from '../../src/http/fields.js';
import { decide, type HotAnswer, HotAnswers } from '../../src/http/hot.js';
import { answerHot } from '../../src/http/hot_answer.js';
import type { Representation } from '../../src/http/reply.js';
import { Transfers } from '../../src/http/transfer.js';
import type { Kept, Stat } from '../../src/storage/storage.js';
import { request, stat, TAG } from '../support/hot_file.js';
import { testMount } from '../support/test_mount.js';

const kept: Kept = {
  stat,
  bytes: Buffer.from('hello'),
  alive: true,
  take: () => true,
  used: () => undefined,
  ttlMs: () => 1000,
  lend: () => ({ bytes: Buffer.from('hello'), release: () => undefined }),
};
const mount = testMount({});
const asItIs: Representation = { mount, name: '/a.txt', encoding: null, compressed: false };
const BR_TAG = `"${stat.gfid}-5-s44we8.1-br"`;

/** As uWebSockets.js gives it: names in lower case, '' for what is not there. */
function ask(url: string, headers: Record<string, string> = {}): HttpRequest {
  return {
    getUrl: () => url,
    getHeader: (name: string) => headers[name] ?? '',
  } as unknown as HttpRequest;
}

const find = (answers: HotAnswers, req: HttpRequest): HotAnswer | undefined =>
  answers.find(req, req.getUrl(), askFields(req));
const drop = (answers: HotAnswers, answer: HotAnswer, req: HttpRequest): void =>
  answers.drop(answer, req, req.getUrl(), askFields(req));
const decideOn = (answer: HotAnswer, req: HttpRequest) => decide(answer, req, askFields(req));

describe('what is kept', () => {
  test('is found by all that decides the answer, and by nothing else', () => {
    const plain = new HotAnswers({ host: false, acceptEncoding: false, log: true });
    plain.keep(request('/a', 'h', 'br'), kept, asItIs, '200 OK');
    expect(find(plain, ask('/a', { host: 'other', 'accept-encoding': 'gzip' }))?.whole?.kept).toBe(
      kept,
    );
    expect(find(plain, ask('/A'))).toBeUndefined();
    const all = new HotAnswers({ host: true, acceptEncoding: true, log: false });
    all.keep(request('/a', 'h', 'br'), kept, asItIs, '200 OK');
    expect(find(all, ask('/a', { host: 'h', 'accept-encoding': 'br' }))?.whole?.kept).toBe(kept);
    expect(find(all, ask('/a', { host: 'h' }))).toBeUndefined();
    expect(find(all, ask('/a', { 'accept-encoding': 'br' }))).toBeUndefined();
  });

  test('of a file that was only asked for conditionally is the head of the 304', () => {
    const answers = new HotAnswers({ host: false, acceptEncoding: false, log: false });
    const { bytes: _, lend: __, ...statOnly } = kept;
    answers.keepNotModified(request('/a'), statOnly, asItIs, '304 Not Modified');
    const answer = find(answers, ask('/a'));
    if (!answer) throw new Error('not kept');
    expect(String(decideOn(answer, ask('/a', { 'if-none-match': TAG })))).toBe('304 Not Modified');
    expect(decideOn(answer, ask('/a'))).toBeNull();
    expect(decideOn(answer, ask('/a', { 'if-none-match': '"x"' }))).toBeNull();
    expect(decideOn(answer, ask('/a', { 'if-none-match': TAG, 'if-match': '*' }))).toBeNull();
  });

  test('says more than the head of a 304, as long as it may be given', () => {
    const answers = new HotAnswers({ host: false, acceptEncoding: false, log: false });
    const changing = { alive: true };
    const volatile: Kept = {
      ...kept,
      get alive() {
        return changing.alive;
      },
    };
    answers.keep(request('/a'), volatile, asItIs, '200 OK');
    answers.keepNotModified(request('/a'), kept, asItIs, '304 Not Modified');
    expect(find(answers, ask('/a'))?.whole?.kept).toBe(volatile);
    changing.alive = false;
    answers.keepNotModified(request('/a'), kept, asItIs, '304 Not Modified');
    expect(find(answers, ask('/a'))?.whole).toBeNull();
    answers.keep(request('/a'), kept, asItIs, '200 OK');
    expect(find(answers, ask('/a'))?.whole?.kept).toBe(kept);
  });

  test('is dropped, unless it was replaced', () => {
    const answers = new HotAnswers({ host: false, acceptEncoding: false, log: false });
    answers.keep(request('/a'), kept, asItIs, '200 OK');
    const first = find(answers, ask('/a'));
    answers.keep(request('/a'), kept, asItIs, '200 OK');
    if (!first) throw new Error('not kept');
    drop(answers, first, ask('/a'));
    expect(answers.count).toBe(1);
    const second = find(answers, ask('/a'));
    if (!second) throw new Error('not kept');
    drop(answers, second, ask('/a'));
    expect(answers.count).toBe(0);
  });

  test('is bounded', () => {
    const answers = new HotAnswers({ host: false, acceptEncoding: false, log: false });
    let most = 0;
    for (let i = 0; i < 20_000; i++) {
      answers.keep(request(`/${i}`), kept, asItIs, '200 OK');
      most = Math.max(most, answers.count);
    }
    expect(most).toBe(8_192);
  });
});

function keepOne(representation = asItIs): HotAnswer {
  const answers = new HotAnswers({ host: false, acceptEncoding: false, log: false });
  answers.keep(request('/a'), kept, representation, '200 OK');
  const answer = find(answers, ask('/a'));
  if (!answer) throw new Error('not kept');
  return answer;
}

test.each<[string, Record<string, string>, 'whole' | null]>([
  ['a plain GET', {}, 'whole'],
  ['a precondition that holds', { 'if-none-match': '"x"' }, 'whole'],
  ['Range', { range: 'bytes=0-1' }, null],
  ['Range beside a precondition that holds', { range: 'bytes=0-1', 'if-none-match': '"x"' }, null],
  ['If-Match', { 'if-match': '*' }, null],
  ['If-Match beside the tag that was sent', { 'if-match': '"x"', 'if-none-match': TAG }, null],
  ['If-Unmodified-Since', { 'if-unmodified-since': 'x' }, null],
  ['a body', { 'content-length': '3' }, null],
  ['a chunked body', { 'transfer-encoding': 'chunked' }, null],
])('%s', (_, headers, expected) => {
  const answer = keepOne();
  for (let i = 0; i < 2; i++) {
    expect(decideOn(answer, ask('/a', headers))).toBe(expected);
    decideOn(answer, ask('/a', { 'if-none-match': '*' })); // makes the head of the 304
  }
});

describe('304', () => {
  const compressed: Representation = { ...asItIs, encoding: 'br', compressed: true };
  test.each<[string, Representation, Record<string, string>, string | null]>([
    ['the tag that was sent', asItIs, { 'if-none-match': TAG }, TAG],
    ['a weak one', asItIs, { 'if-none-match': `W/${TAG}` }, TAG],
    ['a list', asItIs, { 'if-none-match': `"x", ${TAG}` }, TAG],
    ['any', asItIs, { 'if-none-match': '*' }, TAG],
    ['another tag', asItIs, { 'if-none-match': '"x"' }, null],
    ['that of the compressed form', asItIs, { 'if-none-match': BR_TAG }, null],
    ['that of the file, of its compressed form', compressed, { 'if-none-match': TAG }, null],
    ['that of the compressed form itself', compressed, { 'if-none-match': BR_TAG }, BR_TAG],
    ['a date', asItIs, { 'if-modified-since': 'Tue, 14 Nov 2023 22:13:20 GMT' }, TAG],
    ['an earlier date', asItIs, { 'if-modified-since': 'Tue, 14 Nov 2023 22:13:19 GMT' }, null],
    [
      'a date does not count beside a tag',
      asItIs,
      { 'if-none-match': '"x"', 'if-modified-since': 'Tue, 14 Nov 2023 22:13:20 GMT' },
      null,
    ],
    [
      'the tag that was sent, and a part',
      asItIs,
      { 'if-none-match': TAG, range: 'bytes=0-1' },
      TAG,
    ],
    ['nothing', asItIs, {}, null],
  ])('%s', (_, representation, headers, expected) => {
    const answer = keepOne(representation);
    // The first one makes the head, the second one finds it made.
    decideOn(answer, ask('/a', { 'if-none-match': '*' }));
    for (let i = 0; i < 2; i++) {
      const decision = decideOn(answer, ask('/a', headers));
      if (expected === null) expect(decision).toBe('whole');
      else expect(String(decision)).toContain(`ETag: ${expected}`);
    }
  });
});

describe('a file that has to be looked at again', () => {
  const conditional = ask('/a', { 'if-none-match': TAG });

  function answering(changing: { fresh: boolean; alive: boolean }) {
    const hot = new HotAnswers({ host: false, acceptEncoding: false, log: false });
    const volatile: Kept = {
      ...kept,
      get stat(): Stat {
        if (!changing.alive) throw new Error('what is not there has no stat');
        return stat;
      },
      get alive() {
        return changing.alive;
      },
      take: () => changing.fresh,
    };
    hot.keep(request('/a'), volatile, asItIs, '200 OK');
    const site = {
      draining: false,
      counters: { total: 0, active: 0 },
      accessLog: null,
      cacheStatus: null,
    } as unknown as Site;
    const written: string[] = [];
    const res = {
      writeStatus: (head: Buffer) => written.push(head.toString().slice(0, 3)),
      endWithoutBody: () => undefined,
    } as unknown as HttpResponse;
    return {
      hot,
      written,
      isAnswered: () => answerHot(site, hot, res, conditional, askFields(conditional)),
    };
  }

  test('is answered the short way again, once a look has shown no change', () => {
    const state = { fresh: true, alive: true };
    const { hot, written, isAnswered } = answering(state);
    expect(isAnswered()).toBe(true);
    state.fresh = false;
    expect(isAnswered()).toBe(false);
    expect(hot.count).toBe(1);
    state.fresh = true;
    expect(isAnswered()).toBe(true);
    expect(written).toEqual(['304', '304']);
  });

  test('is dropped once it is another', () => {
    const state = { fresh: true, alive: true };
    const { hot, isAnswered } = answering(state);
    Object.assign(state, { fresh: false, alive: false });
    expect(isAnswered()).toBe(false);
    expect(hot.count).toBe(0);
  });
});

describe('what is counted', () => {
  const LARGE = 20_000;

  /** `accepted`: of a large body, what the socket takes at once. */
  function answer(bytes: Buffer, headers: Record<string, string>, accepted = bytes.length) {
    const own = testMount({ name: 'own' });
    const hot = new HotAnswers({ host: false, acceptEncoding: false, log: false });
    const file = { ...kept, bytes, lend: () => ({ bytes, release: () => undefined }) };
    hot.keep(request('/a'), file, { ...asItIs, mount: own }, '200 OK');
    const transfers = new Transfers(1000);
    const site = {
      draining: false,
      counters: { total: 0, active: 0 },
      accessLog: null,
      cacheStatus: null,
      transfers,
    } as unknown as Site;
    let abort = (): void => undefined;
    const res = {
      writeStatus: () => undefined,
      endWithoutBody: () => undefined,
      end: () => undefined,
      tryEnd: () => [accepted === bytes.length, accepted === bytes.length],
      getWriteOffset: () => accepted,
      onWritable: () => undefined,
      onAborted: (handler: () => void) => {
        abort = handler;
      },
    } as unknown as HttpResponse;
    const req = ask('/a', headers);
    expect(answerHot(site, hot, res, req, askFields(req))).toBe(true);
    const figures = (): string[] =>
      own.counters.samples().flatMap(({ name, labels, value }) => {
        const count =
          typeof value === 'number'
            ? value
            : value.slice(0, -1).reduce((sum, each) => sum + each, 0);
        return count === 0 ? [] : [`${name.slice(13)} ${labels.join(' ')}: ${count}`];
      });
    return { figures, abort: () => abort() };
  }

  const timed = ['first_byte_seconds own hit: 1', 'request_duration_seconds own: 1'];

  test.each<[string, Buffer, Record<string, string>, string[]]>([
    [
      'a small file',
      Buffer.from('hello'),
      {},
      ['requests_total own GET 200: 1', ...timed, 'response_body_bytes_total own: 5'],
    ],
    [
      'a 304',
      Buffer.from('hello'),
      { 'if-none-match': '*' },
      ['requests_total own GET 304: 1', ...timed],
    ],
    [
      'a large file that goes out at once',
      Buffer.alloc(LARGE),
      {},
      ['requests_total own GET 200: 1', ...timed, `response_body_bytes_total own: ${LARGE}`],
    ],
  ])('%s', (_, bytes, headers, expected) => {
    expect(answer(bytes, headers).figures()).toEqual(expected);
  });

  test('a large file that the client does not take counts when it has ended', () => {
    const { figures, abort } = answer(Buffer.alloc(LARGE), {}, 7000);
    expect(figures()).toEqual([]);
    abort();
    expect(figures()).toEqual([
      'requests_total own GET 200: 1',
      ...timed,
      'response_body_bytes_total own: 7000',
      'incomplete_responses_total own: 1',
    ]);
  });
});
