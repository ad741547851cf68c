/** Answers that are given before uWebSockets.js has seen the request: the same ones, and only as long as they may be. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HotAnswers } from '../../src/http/hot.js';
import { QuickAnswers } from '../../src/http/quick.js';
import type { Kept } from '../../src/storage/storage.js';
import { request, stat, TAG } from '../support/hot_file.js';
import {
  BODIES,
  Client,
  endAll,
  get,
  HEAD,
  maker,
  type Options,
  serve,
  warm,
} from '../support/quick_site.js';
import { testMount } from '../support/test_mount.js';

afterEach(endAll);

describe('a file that is asked for again and again', () => {
  test.each(Object.keys(BODIES))('%s gets the same answer as at first', async (url) => {
    const { port, state } = serve();
    const client = await Client.open(port);
    for (const fields of ['', `If-None-Match: ${TAG}\r\n`]) {
      const first = await client.ask(get(url, fields));
      expect(first).toMatch(fields === '' ? /^HTTP\/1\.1 200/ : /^HTTP\/1\.1 304/);
      for (let i = 0; i < 3; i++) expect(await client.ask(get(url, fields))).toBe(first);
      const before = state.handled;
      for (let i = 0; i < 5; i++) expect(await client.ask(get(url, fields))).toBe(first);
      const isTaken = url !== '/too-large' || fields !== '';
      expect(state.handled - before).toBe(isTaken ? 0 : 5);
    }
  });

  test('comes to JavaScript when anything has happened in the cache, and not for long', async () => {
    const { port, state, epoch } = serve();
    const client = await Client.open(port);
    await warm(client, '/a');
    for (let round = 0; round < 3; round++) {
      const before = state.handled;
      await client.ask(get('/a'));
      expect(state.handled).toBe(before);
      epoch[0] = (epoch[0] ?? 0) + 1;
      for (let i = 0; i < 5; i++) await client.ask(get('/a'));
      // It is seen that it is wanted, and seen again.
      expect(state.handled).toBe(before + 2);
    }
  });

  test('comes to JavaScript when it is not fresh any more', async () => {
    const { port, state } = serve();
    const client = await Client.open(port);
    state.ttlMs = 2_000;
    await warm(client, '/a');
    const before = state.handled;
    await client.ask(get('/a'));
    expect(state.handled).toBe(before);
    await sleep(2_010);
    await client.ask(get('/a'));
    expect(state.handled).toBe(before + 1);
    await client.ask(get('/a'));
    expect(state.handled).toBe(before + 1);
  });

  test('comes to JavaScript once the server is to stop', async () => {
    const { port, state, quick } = serve();
    const client = await Client.open(port);
    await warm(client, '/a');
    const before = state.handled;
    quick.stop();
    for (let i = 0; i < 3; i++) await client.ask(get('/a'));
    expect(state.handled).toBe(before + 3);
  });

  test('is counted as often as it was given', async () => {
    const { port, state, quick, mount } = serve();
    const client = await Client.open(port);
    await warm(client, '/a');
    quick.collect();
    const { whole, notModified, bytes } = mount.counters.hot;
    Object.assign(state, { used: 0, requests: 0 });
    for (let i = 0; i < 7; i++) await client.ask(get('/a'));
    for (let i = 0; i < 3; i++) await client.ask(get('/a', `If-None-Match: ${TAG}\r\n`));
    quick.collect();
    expect(state).toMatchObject({ used: 10, requests: 10 });
    const { hot } = mount.counters;
    expect([hot.whole - whole, hot.notModified - notModified, hot.bytes - bytes]).toEqual([
      7, 3, 35,
    ]);
    expect(hot.durations.count).toBe(hot.whole + hot.notModified);
    quick.collect();
    expect(state).toMatchObject({ used: 10, requests: 10 });
  });
});

describe('whatever is asked', () => {
  const LINES = [
    ...[
      'GET /a',
      'GET /a?x=1',
      'GET /empty',
      'GET /medium',
      'GET /b',
      'HEAD /a',
      'POST /a',
      'GET //a',
    ],
    ...['GET /a/', 'GET /%61', 'get /a'],
  ];
  const FIELDS = [
    ...[
      'Host: h',
      'Host: i',
      'hOST: h',
      'Accept-Encoding: br',
      'Accept-Encoding: gzip',
      'Accept-Encoding:',
    ],
    ...[
      `If-None-Match: ${TAG}`,
      'If-None-Match: "x"',
      'If-None-Match: *',
      `If-None-Match: W/${TAG}`,
    ],
    ...[
      'If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT',
      'If-Modified-Since: x',
      'Range: bytes=0-1',
    ],
    ...[
      'If-Match: "x"',
      'Content-Length: 0',
      'Connection: keep-alive',
      'Connection: close',
      'X: \u00e4',
    ],
    ...[
      'Expect: 100-continue',
      'X:y',
      'X:  y',
      'X: ',
      'Upgrade: x',
      'If-Unmodified-Since: x',
      'X: y\t',
    ],
  ];
  const line = fc.oneof(
    { weight: 3, arbitrary: fc.constant('GET /a') },
    { weight: 1, arbitrary: fc.constantFrom(...LINES) },
  );

  test.each<[string, Options]>([
    ['by its path', {}],
    ['by its path, host and encoding', { host: true, acceptEncoding: true }],
  ])(
    '%s, the answer is that of JavaScript',
    async (_, options) => {
      const quick = serve(options);
      const plain = serve({ ...options, quick: false });
      const warmer = await Client.open(quick.port);
      for (const encoding of ['', 'Accept-Encoding: br\r\n']) {
        for (const url of ['/a', '/empty', '/medium']) {
          for (const fields of [`If-None-Match: ${TAG}\r\n`, '', '', `If-None-Match: ${TAG}\r\n`]) {
            await warmer.ask(get(url, encoding + fields));
          }
        }
      }
      const before = quick.state.handled;
      let asked = 0;
      await fc.assert(
        fc.asyncProperty(
          line,
          fc.uniqueArray(fc.constantFrom(...FIELDS), { maxLength: 4 }),
          fc.oneof(
            { weight: 4, arbitrary: fc.constant(1000) },
            { weight: 1, arbitrary: fc.integer({ min: 1, max: 40 }) },
          ),
          async (first, fields, piece) => {
            const text = `${[`${first} HTTP/1.1`, 'Host: h', ...fields].join('\r\n')}\r\n\r\n`;
            const [one, other] = [await Client.open(quick.port), await Client.open(plain.port)];
            for (let i = 0; i < 3; i++) {
              asked += 1;
              const answer = await one.ask(text, piece);
              expect(answer).toBe(await other.ask(text, piece));
              if (answer === 'closed' || /connection: close/i.test(text)) break;
            }
            one.socket.destroy();
            other.socket.destroy();
          },
        ),
        { numRuns: 300 },
      );
      // Else it would not have been tried.
      expect(quick.state.handled - before).toBeLessThan(asked * 0.9);
    },
    60_000,
  );

  test.each([true, false])(
    'it may come in two pieces, wherever it is cut (quick: %s)',
    async (quick) => {
      const { port } = serve({ quick });
      const client = await Client.open(port);
      const cuts = [get('/b?c=d', 'X: y\r\n'), get(`/b?${'c'.repeat(1500)}`)].flatMap((text) =>
        Array.from({ length: text.length - 1 }, (_, at) => ({ text, at: at + 1 })),
      );
      for (const { text, at } of cuts) {
        if (at > 60 && at < 1500) continue;
        client.socket.write(text.slice(0, at));
        await sleep(3);
        client.socket.write(text.slice(at));
        expect(await client.answer()).toMatch(/^HTTP\/1\.1 404 [\s\S]+long way$/);
      }
    },
  );

  test.each<[string, string, RegExp]>([
    ['a version of another kind', 'GET /a HTTP/2.0\r\nHost: h\r\n\r\n', /^HTTP\/1\.1 505/],
    ['no HTTP', 'this is no request at all\r\n\r\n', /^HTTP\/1\.1 (400|505)/],
    [
      'the beginning of TLS',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefgh',
      /^(closed|HTTP\/1\.1 (400|505))/,
    ],
    ['a line without an end', `GET /${'a'.repeat(6000)}`, /^(closed|HTTP\/1\.1 (400|431|505))/],
  ])('%s is refused as ever', async (_, text, expected) => {
    const { port } = serve();
    for (const piece of [text.length, 700]) {
      const client = await Client.open(port);
      expect(await client.ask(text, piece)).toMatch(expected);
      client.socket.destroy();
    }
  });

  test('several at once are answered in their order, however many', async () => {
    const { port, state } = serve();
    const client = await Client.open(port);
    await warm(client, '/a');
    const before = state.handled;
    client.socket.write(get('/a') + get('/empty') + get('/b') + get('/a'));
    const answers: (string | undefined)[] = [];
    for (let i = 0; i < 4; i++) answers.push((await client.answer()).split('\r\n\r\n')[1]);
    expect(answers).toEqual(['hello', '', 'long way', 'hello']);
    expect(state.handled).toBe(before + 4);
    // More than is read at once.
    const long = get('/a', `X: ${'x'.repeat(150)}\r\n`);
    const count = Math.ceil((600 * 1024) / long.length);
    client.socket.write(long.repeat(count));
    for (let i = 0; i < count; i++) expect(await client.answer()).toMatch(/hello$/);
    await client.ask(get('/a'));
  }, 60_000);
});

describe('a client that does not read', () => {
  test('gets all of it, in order, once it does', async () => {
    const { port, state } = serve();
    const client = await Client.open(port);
    await warm(client, '/large');
    await client.ask(get('/large'));
    const before = state.handled;
    client.socket.pause();
    let asked = 0;
    // Until the socket is full: then uWebSockets.js has the rest, and the next request.
    while (state.handled === before) {
      client.socket.write(get('/large'));
      asked += 1;
      await sleep(2);
    }
    expect(asked).toBeGreaterThan(5);
    client.socket.resume();
    for (let i = 0; i < asked; i++) {
      const answer = await client.answer();
      expect(answer.slice(answer.indexOf('\r\n\r\n') + 4)).toBe(BODIES['/large']?.toString());
    }
    const after = state.handled;
    expect(await client.ask(get('/large'))).toMatch(/^HTTP\/1\.1 200/);
    expect(state.handled).toBe(after);
  }, 30_000);

  test('and ends, takes nothing with it', async () => {
    const { port, state } = serve();
    const other = await Client.open(port);
    for (let round = 0; round < 5; round++) {
      const client = await Client.open(port);
      await warm(client, '/large');
      const before = state.handled;
      client.socket.pause();
      while (state.handled === before) {
        client.socket.write(get('/large'));
        await sleep(2);
      }
      client.socket.resetAndDestroy();
      expect(await other.ask(get('/a'))).toMatch(/hello$/);
    }
  }, 30_000);
});

describe('a client that ends its side', () => {
  test('sees the connection end, at once where it is idle', async () => {
    const { port } = serve();
    const client = await Client.open(port);
    await warm(client, '/a');
    for (let i = 0; i < 5; i++) await client.ask(get('/a'));
    client.socket.end();
    for (let i = 0; i < 200 && !client.isClosed; i++) await sleep(10);
    expect(client.isClosed).toBe(true);
  });

  test('right behind a request gets its answer, and the connection ends', async () => {
    const { port } = serve();
    const client = await Client.open(port);
    await warm(client, '/a');
    for (let i = 0; i < 5; i++) await client.ask(get('/a'));
    client.socket.end(get('/a'));
    expect(await client.answer()).toMatch(/hello$/);
    // uWebSockets.js ends what is idle after 10 s, which it counts in fours.
    for (let i = 0; i < 1800 && !client.isClosed; i++) await sleep(10);
    expect(client.isClosed).toBe(true);
  }, 30_000);
});

test('of more than there is room for, some have their turn, and later others', () => {
  const MOST = 1024;
  const mount = testMount({ name: 'own' });
  const hot = new HotAnswers({ host: false, acceptEncoding: false, log: false });
  const quick = new QuickAnswers({
    maker: { ...maker, attachQuick: () => true },
    ...{ epoch: new Float64Array(1), host: false, acceptEncoding: false, enabled: true },
    ...{ log: null, trusts: false },
    onRequests: () => undefined,
  });
  quick.attach({} as HttpResponse);
  const representation = { mount, name: '/a.txt', encoding: null, compressed: false };
  const kept: Kept = {
    ...{ stat, bytes: Buffer.from('x'), alive: true, take: () => true, ttlMs: () => 1e6 },
    ...{
      used: () => undefined,
      lend: () => ({ bytes: Buffer.from('x'), release: () => undefined }),
    },
  };
  const answers = Array.from({ length: MOST + 200 }, (_, at) => {
    hot.keep(request(`/${at}`, '', ''), kept, representation, HEAD);
    const req = { getUrl: () => `/${at}`, getHeader: () => '' } as unknown as HttpRequest;
    return hot.find(req, `/${at}`, 0);
  });
  let nowMs = 0;
  /** How many of them were copied when each of them was wanted once more. */
  const copy = (): number => {
    let count = 0;
    for (const [at, answer] of answers.entries()) {
      if (!answer) throw new Error('it was not kept');
      nowMs += 0.01;
      if (!quick.wants(answer, nowMs)) continue;
      quick.take(`/${at}`, answer, nowMs);
      if ((answer.copied?.at ?? -1) >= 0) count += 1;
    }
    return count;
  };
  expect(copy()).toBe(0);
  // Once all places are taken, all are free again.
  const first = copy();
  expect(first).toBeGreaterThan(MOST);
  const second = copy();
  expect(second).toBeGreaterThan(MOST / 2);
  // From then on those have their turn who came first.
  expect(copy()).toBe(0);
  nowMs += 10_000;
  expect(copy()).toBeGreaterThan(0);
  expect(copy()).toBeGreaterThan(MOST / 2);
});

test('something else than a connection of uWebSockets.js is refused', () => {
  const table = maker.openQuick(
    new Float64Array(1),
    new Float64Array(1),
    false,
    false,
    null,
    false,
  );
  expect(maker.attachQuick(table, {})).toBe(false);
});
