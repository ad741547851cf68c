/**
 * What raw connections get, whatever they send and in however many pieces. What uWebSockets.js decides by itself stands in
 * docs/http.md as such: a test that fails after an update of it says what to change there.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { get } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve, until } from '../support/gfserve.js';
import { createRandom, inParallel, RawConnection } from '../support/raw.js';
import { parseAnswers, type RawAnswer } from '../support/raw_answers.js';
import { A, type Case, ENDS, filled, groups, H, PROXY_V2, VERSION } from '../support/raw_cases.js';

let cluster: Cluster;
let server: Gfserve;
let pid: number;

/** No two have a prefix in common, so that a body says whose it is. */
const FILES: Readonly<Record<string, Buffer>> = {
  a: Buffer.from('content of a\n'),
  b: Buffer.from('B has another content\n'),
  c: Buffer.from('sea\n'),
  mid: randomBytes(100_000),
  big: randomBytes(1_000_000),
  large: randomBytes(20_000_000),
  doc: Buffer.from('<p>doc</p>'),
  'doc.gz': Buffer.from('doc, as if packed'),
};

beforeAll(async () => {
  cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-raw-')), nodes: 1 });
  await cluster.createVolume('site', { bricks: 1 });
  const volume = await cluster.mount('site');
  for (const [name, content] of Object.entries(FILES)) await writeFile(join(volume, name), content);
  server = await Gfserve.start({
    config: `
[volume site]
servers = ${cluster.addresses.join(', ')}
[mount main]
path = /
volume = site
[mount pre]
path = /pre
volume = site
precompressed = gzip
`,
  });
  ({ pid } = await server.worker());
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await cluster?.down();
}, 240_000);

/** Whatever was sent: the same worker answers the next request, and nothing is left of those before. */
afterEach(async () => {
  const answer = await get(server.port, '/b');
  expect([answer.status, answer.body]).toEqual([200, FILES.b]);
  await until('nothing is under way', 20_000, async () => {
    const worker = await server.worker();
    expect(worker.pid).toBe(pid);
    const { openFiles } = worker.volumes[0]?.native ?? {};
    return worker.requests.active === 0 && worker.connections === 0 && openFiles === 0;
  });
});

/** uWebSockets.js closes an idle connection after 8 s to 12 s: its clock ticks every 4 s. */
const IDLE_MS = 6_000;
const PATIENCE_MS = 40_000;

/** Requests of up to so many bytes are cut at every one. */
const SHORT = 300;

const { open, closed, idle } = ENDS;

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Such as `200 a`, `206 a`, `404`, or `505 by uWebSockets.js`. */
function describeAnswer({ status, headers, body, complete }: RawAnswer): string {
  if (!complete) return `${status} incomplete`;
  if (body.length === 0) return String(status);
  if (body.includes('<hr><i>uWebSockets/20 Server</i>')) {
    const closes = headers.get('connection') === 'close';
    return `${status} by uWebSockets.js${closes ? '' : ', connection kept'}`;
  }
  for (const [name, content] of Object.entries(FILES)) {
    if (content.equals(body) || (status === 206 && content.includes(body))) {
      return `${status} ${name}`;
    }
  }
  const ours = body.toString('latin1').startsWith(`${status} `);
  return ours ? String(status) : `${status} ${body.toString('latin1', 0, 80)}`;
}

/** Closed while it still sent, and whether it was answered can't be said. */
const RESET = ['reset'];

/** Sends `pieces`; after the expected answers, one more request where the connection is to be open still. */
async function exchange(test: Case, pieces: readonly Buffer[], pauseMs: number): Promise<string[]> {
  const connection = new RawConnection(server.port);
  const { gets, methods = ['GET'] } = test;
  const answers = (): RawAnswer[] => {
    const all = parseAnswers(connection.received, methods, connection.closedAfterMs !== null);
    expect(connection.closedAfterMs === null ? '' : all.rest.toString('latin1')).toBe('');
    return [...all.answers];
  };
  try {
    const opened = performance.now();
    await connection.send(pieces, pauseMs);
    const isOpen = gets.at(-1) === open;
    await connection.until(() => {
      const enough = answers().filter(({ complete }) => complete).length >= gets.length - 1;
      return connection.closedAfterMs !== null || (isOpen && enough);
    }, PATIENCE_MS);
    if (connection.closedAfterMs !== null) {
      if (connection.wasReset && answers().length === 0) return RESET;
      const end = performance.now() - opened < IDLE_MS ? closed : idle;
      return [...answers().map(describeAnswer), end];
    }
    const before = answers();
    await connection.send([bytes('GET /c HTTP/1.1\r\nHost: x\r\n\r\n')]);
    await connection.until(() => answers().at(before.length)?.complete === true, PATIENCE_MS);
    const [next, ...more] = answers().slice(before.length);
    const goesOn = next && describeAnswer(next) === '200 c' && more.length === 0;
    return [...before.map(describeAnswer), goesOn ? open : 'left hanging'];
  } finally {
    connection.close();
  }
}

function cut(whole: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places)].sort((one, other) => one - other);
  return [...sorted, whole.length].map((end, index) =>
    whole.subarray(index === 0 ? 0 : sorted[index - 1], end),
  );
}

/**
 * A request line that ends, so far, right behind the method's blank or within ` HTTP/1.1` CR LF is taken for one of another
 * version: in HTTP/1.1 nothing else may stand there.
 */
function cutsVersion(whole: string, places: readonly number[]): boolean {
  const lineEnd = whole.indexOf('\r\n', whole.startsWith(PROXY_V2) ? PROXY_V2.length : 0);
  const before = whole.slice(0, lineEnd).lastIndexOf(' ');
  return places.some((at) => whole[at - 1] === ' ' || (at > before && at <= lineEnd + 1));
}

/** `places` tells which run it was. */
function judge(test: Case, places: readonly number[], got: readonly string[]): void {
  const allowed = [test.gets];
  if (places.length > 0 && test.orInPieces) allowed.push(test.orInPieces);
  if (cutsVersion(test.sent, places)) allowed.push(VERSION);
  // Of a short request that comes at once, nothing is unread when it is answered.
  const mayBeUnread = places.length > 0 || test.sent.length > SHORT;
  if (mayBeUnread && allowed.some((one) => one.at(-1) === closed)) allowed.push(RESET);
  const right = allowed.find((one) => JSON.stringify(one) === JSON.stringify(got));
  const { name } = test;
  expect({ name, places, got }).toEqual({ name, places, got: right ?? test.gets });
}

async function inOnePiece(test: Case): Promise<void> {
  judge(test, [], await exchange(test, [bytes(test.sent)], 0));
}

async function inPieces(test: Case, places: readonly number[]): Promise<void> {
  judge(test, places, await exchange(test, cut(bytes(test.sent), places), 10));
}

const SEED = 20;
const random = createRandom(SEED);
const upTo = (limit: number): number => Math.floor(random() * limit);

/** Each byte boundary of a request of usual length, else 20 of them; then three times at several places. */
function waysToCut({ sent }: Case): number[][] {
  const { length } = sent;
  const several = (): number[] => Array.from({ length: 4 }, () => 1 + upTo(length - 1));
  const short = length <= SHORT;
  const places = Array.from({ length: short ? length - 1 : 20 }, (_, index) => [
    short ? index + 1 : 1 + upTo(length - 1),
  ]);
  return [...places, several(), several(), several()];
}

const isIdle = ({ gets }: Case): boolean => gets.at(-1) === idle;

test.each(groups)('%s', async (_name, cases) => {
  const quick = cases.filter((one) => !isIdle(one));
  await inParallel(quick, 8, inOnePiece);
  const runs = quick.flatMap((one) => waysToCut(one).map((places) => ({ one, places })));
  await inParallel(runs, 48, ({ one, places }) => inPieces(one, places));
});

test('what is left without an answer is closed after 10 s', async () => {
  // All at once, as each takes so long.
  const waiting = groups.flatMap(([, cases]) => cases).filter(isIdle);
  const runs = waiting.flatMap((one) => waysToCut(one).map((places) => ({ one, places })));
  const some = runs.filter((_run, index) => index % 3 === 0);
  await Promise.all([
    inOnePiece({ name: 'nothing', sent: '', gets: [idle] }),
    ...waiting.map(inOnePiece),
    inParallel(some, some.length, ({ one, places }) => inPieces(one, places)),
  ]);
});

test('a byte now and then does not keep a connection', async () => {
  const connection = new RawConnection(server.port);
  const drip = Array.from({ length: 2 * (PATIENCE_MS / 500) }, () => bytes('x'));
  await connection.send([bytes(`${A}X: `), ...drip], 500);
  expect(connection.closedAfterMs).toBeLessThan(PATIENCE_MS);
  expect(connection.received.length).toBe(0);
  connection.close();
});

/** Sends the pieces with pauses, and waits for `count` answers or the end. */
async function converse(pieces: readonly string[], count: number, pauseMs = 0): Promise<string[]> {
  const connection = new RawConnection(server.port);
  const all = () =>
    parseAnswers(connection.received, [], connection.closedAfterMs !== null).answers;
  const complete = (): number => all().filter((answer) => answer.complete).length;
  try {
    await connection.send(pieces.map(bytes), pauseMs);
    await connection.until(
      () => connection.closedAfterMs !== null || complete() >= count,
      PATIENCE_MS,
    );
    const end = connection.closedAfterMs === null ? open : closed;
    return [...all().map(describeAnswer), end];
  } finally {
    connection.close();
  }
}

const of = (path: string, method = 'GET'): string => `${method} ${path} HTTP/1.1\r\n${H}\r\n`;

describe('several requests on a connection', () => {
  test('one after the other: answered in order', async () => {
    const connection = new RawConnection(server.port);
    const paths = ['a', 'mid', 'b', 'c', 'big', 'a', 'x', 'mid'];
    for (const [index, path] of paths.entries()) {
      await connection.send([bytes(of(`/${path}`))]);
      const answers = () => parseAnswers(connection.received, [], false).answers;
      expect(await connection.until(() => answers()[index]?.complete === true, PATIENCE_MS)).toBe(
        true,
      );
    }
    const { answers, rest } = parseAnswers(connection.received, [], false);
    expect(answers.map(describeAnswer)).toEqual(
      paths.map((path) => (path === 'x' ? '404' : `200 ${path}`)),
    );
    expect(rest.length).toBe(0);
    connection.close();
  });

  test('while one is pending: closed without an answer', async () => {
    for (const [first, second] of [
      ['/a', '/b'],
      ['/b', '/mid'],
      ['/large', '/a'],
      ['/missing', '/a'],
    ]) {
      expect(await converse([of(`${first}`) + of(`${second}`)], 1)).toEqual([closed]);
    }
    // An empty name ends the headers, so what it hides is no Content-Length: the body is the next request.
    const hidden = `${A}: y\r\nContent-Length: 40\r\n\r\n${of('/b')}`;
    expect(await converse([hidden], 1)).toEqual([closed]);
  });

  test('while an answer needs no file: answered in order', async () => {
    const options = of('/a', 'OPTIONS');
    expect(await converse([options + options + options], 3)).toEqual(['204', '204', '204', open]);
    expect(await converse([options + of('/b')], 2)).toEqual(['204', '200 b', open]);
    // uWebSockets.js forgets that the first one's answer was to be the last.
    expect(await converse([of('/a', 'POST') + of('/b')], 2)).toEqual(['405', '200 b', open]);
  });

  test('half of the next with the first: answered when the rest comes', async () => {
    const [first, next] = [of('/a'), of('/b')];
    for (const at of [1, 2, 3, 5, 17, 25, next.length - 1]) {
      const connection = new RawConnection(server.port);
      const answers = () => parseAnswers(connection.received, [], false).answers;
      await connection.send([bytes(first + next.slice(0, at))]);
      expect(await connection.until(() => answers().length === 1, PATIENCE_MS)).toBe(true);
      await connection.send([bytes(next.slice(at))]);
      await connection.until(() => answers()[1]?.complete === true, PATIENCE_MS);
      expect([at, ...answers().map(describeAnswer)]).toEqual([at, '200 a', '200 b']);
      connection.close();
    }
  });

  test('what is no request behind a pending one: its error, then closed', async () => {
    const cases = [
      ['hello world\r\n\r\n', '505 by uWebSockets.js'],
      ['GET / HTTP/1.1\r\nX: y\r\n\r\n', '400 by uWebSockets.js'],
      [`${A}${filled(20000)}`, '431 by uWebSockets.js'],
      ['GET /b HT', '505 by uWebSockets.js'],
    ];
    for (const [rest, error] of cases) {
      expect(await converse([`${of('/a')}${rest}`], 1)).toEqual([error, closed]);
    }
  });

  test.each([
    ['a request', of('/a'), /^$/],
    ['what is none', 'hello world\r\n\r\n', /^HTTP\/1\.1 505 .*<\/i>$/s],
  ])('amid a body, %s: the body ends early', async (_name, second, page) => {
    const connection = new RawConnection(server.port);
    await connection.send([bytes(of('/large'))]);
    expect(await connection.until(() => connection.received.length > 0, PATIENCE_MS)).toBe(true);
    connection.pause();
    await connection.send([bytes(second)]);
    await until('it is ended', 10_000, async () => (await server.worker()).requests.active === 0);
    connection.resume();
    await connection.until(() => connection.closedAfterMs !== null, PATIENCE_MS);
    const { answers } = parseAnswers(connection.received, [], true);
    const [{ body, complete } = { body: Buffer.alloc(0), complete: true }] = answers;
    const at = body.indexOf('HTTP/1.1 505');
    const ours = at === -1 ? body : body.subarray(0, at);
    expect(complete).toBe(false);
    expect(ours.length).toBeGreaterThan(0);
    expect(ours.equals(FILES.large?.subarray(0, ours.length) ?? Buffer.alloc(0))).toBe(true);
    expect(body.toString('latin1', ours.length)).toMatch(page);
  });
});

describe('a client that shuts down its side', () => {
  const shutDownAfter = async (request: string): Promise<RawConnection> => {
    const connection = new RawConnection(server.port);
    connection.sendAndShutDown(bytes(request));
    expect(await connection.until(() => connection.closedAfterMs !== null, IDLE_MS)).toBe(true);
    return connection;
  };

  test('is answered where no file is needed, else at most in part', async () => {
    const { received } = await shutDownAfter(of('/a', 'OPTIONS'));
    expect(parseAnswers(received, [], true).answers.map(describeAnswer)).toEqual(['204']);
    for (let i = 0; i < 20; i++) {
      const { answers, rest } = parseAnswers((await shutDownAfter(of('/a'))).received, [], true);
      // Either came first: its FIN, or the answer.
      expect([[], ['200 a']]).toContainEqual(answers.map(describeAnswer));
      expect(rest.length).toBe(0);
    }
  });

  test('without or within a request: closed at once', async () => {
    expect((await shutDownAfter('')).received.length).toBe(0);
    expect((await shutDownAfter(A)).received.length).toBe(0);
  });

  test('amid a large answer: it ends, and is not padded', async () => {
    const { received } = await shutDownAfter(of('/large'));
    const { answers } = parseAnswers(received, [], true);
    for (const { body } of answers) {
      expect(body.equals(FILES.large?.subarray(0, body.length) ?? Buffer.alloc(0))).toBe(true);
    }
    expect(answers.length).toBeLessThanOrEqual(1);
  });
});
