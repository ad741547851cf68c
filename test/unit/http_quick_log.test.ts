/** Answers that are given before uWebSockets.js has seen the request have the lines, and the Cache-Status, that JavaScript gives. */
import { execFileSync } from 'node:child_process';
import { createReadStream, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { TAG } from '../support/hot_file.js';
import { Client, endAll, get, type Options, serve, warm } from '../support/quick_site.js';

const folder = mkdtempSync(join(tmpdir(), 'gfserve-test-'));
let files = 0;
const newFile = (): string => join(folder, String(++files));

afterEach(endAll);
afterAll(() => rmSync(folder, { recursive: true }));

const linesOf = (path: string): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1);

/** Without what is another one each time. */
const timeless = (line: string): string =>
  line
    .replace(/\[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]/, '[then]')
    .replace(/ \d+\.\d{6} hit/, ' s hit')
    .replace(/"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/, '"time":"then"')
    .replace(/"duration_ms":\d+(\.\d{1,3})?,/, '"duration_ms":0,');

/** Answers and lines of the same requests, by the quick way where it may be. */
async function compare(options: Options, requests: readonly string[], from?: string) {
  const both = [];
  for (const quick of [true, false]) {
    const path = newFile();
    const { port, accessLog, state } = serve({ ...options, quick, log: path });
    const client = await Client.open(port, from);
    await warm(client, '/a');
    const before = state.handled;
    const answers = [];
    // Twice: what JavaScript tells of the first one may be what the second one needs.
    for (const each of [...requests, ...requests]) {
      // A copy knows when it ends: for JavaScript, here, that is always a minute from now.
      answers.push((await client.ask(each)).replace(/; ttl=(59|60)\r/, '; ttl=60\r'));
    }
    const handled = state.handled - before;
    await accessLog.close();
    const lines = linesOf(path);
    expect(accessLog.lost).toBe(0);
    both.push({ answers, lines: lines.map(timeless), handled });
    endAll();
  }
  const [quick, slow] = both;
  if (!quick || !slow) throw new Error('no two of them');
  expect(quick.answers).toEqual(slow.answers);
  expect(quick.lines).toEqual(slow.lines);
  expect(slow.handled).toBe(requests.length * 2);
  return quick;
}

/** A second may begin, which JavaScript is to tell of. */
const SECONDS = 2;

describe.each(['combined', 'json'] as const)('a line in %s', (format) => {
  test('says what is known of the request', async () => {
    const fields = 'Referer: http://b/\r\nUser-Agent: x y (z)\r\n';
    const not = `${fields}If-None-Match: ${TAG}\r\n`;
    const requests = [get('/a', fields), get('/a?b=c&d', fields), get('/a', not), get('/a')];
    const { lines, handled } = await compare({ format }, requests);
    expect(handled).toBeLessThanOrEqual(SECONDS);
    expect(lines).toHaveLength(4 + 2 * requests.length);
    expect(lines[4]).toBe(
      format === 'json'
        ? '{"time":"then","client":"127.0.0.1","host":"h","method":"GET","path":"/a","protocol":"HTTP/1.1","status":200,"bytes":5,"duration_ms":0,"cache":"hit","referer":"http://b/","user_agent":"x y (z)","volume":"v","mount":"own"}'
        : '127.0.0.1 - - [then] "GET /a HTTP/1.1" 200 5 "http://b/" "x y (z)" "h" s hit v',
    );
  });

  test('is that of JavaScript, whatever is sent', async () => {
    const text = fc
      .string({ minLength: 1, maxLength: 30 })
      .filter((s) => /^[!-~]([ -~]*[!-~])?$/.test(s));
    const field = fc.tuple(
      fc.constantFrom('Referer', 'User-Agent', 'referer', 'X-Forwarded-For', 'If-None-Match', 'X'),
      fc.oneof(text, fc.constantFrom(TAG, '"', 'a\\b', '10.0.0.1')),
    );
    const asked = fc
      .tuple(
        fc.constantFrom('/a', '/a?b', '/medium', '/a?"', '/large', '/empty', '/a?\\'),
        fc.array(field, { maxLength: 4 }),
      )
      .map(([url, list]) =>
        get(url, list.map(([name, value]) => `${name}: ${value}\r\n`).join('')),
      );
    const options = fc.constantFrom<Options>(
      { format },
      { format, trustedProxies: ['127.0.0.1'] },
      { format, trustedProxies: ['10.0.0.0/8'] },
    );
    await fc.assert(
      fc.asyncProperty(
        options,
        fc.array(asked, { minLength: 1, maxLength: 12 }),
        async (o, requests) => {
          await compare(o, requests);
        },
      ),
      { numRuns: 25 },
    );
  }, 60_000);
});

describe('a client', () => {
  test('is told from that which had its descriptor before', async () => {
    const path = newFile();
    const { port, accessLog, state } = serve({ log: path });
    const first = await Client.open(port);
    await warm(first, '/a');
    await first.ask(get('/a'));
    const others = ['127.0.0.2', '127.0.0.3', '127.0.0.4'];
    for (const address of others) {
      first.socket.destroy();
      await sleep(20);
      const client = await Client.open(port, address);
      const before = state.handled;
      for (let i = 0; i < 5; i++) await client.ask(get('/a'));
      // Its first request shows who it is.
      expect(state.handled - before).toBeLessThanOrEqual(1 + SECONDS);
      client.socket.destroy();
      await sleep(20);
    }
    await accessLog.close();
    const clients = linesOf(path).map((line) => line.split(' ')[0]);
    expect(clients.slice(5)).toEqual(others.flatMap((address) => Array(5).fill(address)));
  });

  test('behind a trusted proxy is the one that it names, and the proxy is told of the cache', async () => {
    const requests = ['1.1.1.1', '2.2.2.2', '2001:DB8::1', '1.1.1.1, 127.0.0.1', 'x'].map((value) =>
      get('/a', `X-Forwarded-For: ${value}\r\n`),
    );
    const { answers, lines, handled } = await compare({ trustedProxies: ['127.0.0.1'] }, requests);
    expect(lines.slice(4).map((line) => line.split(' ')[0])).toEqual([
      ...['1.1.1.1', '2.2.2.2', '2001:db8::1', '1.1.1.1', '127.0.0.1'],
      ...['1.1.1.1', '2.2.2.2', '2001:db8::1', '1.1.1.1', '127.0.0.1'],
    ]);
    for (const answer of answers) expect(answer).toMatch(/Cache-Status: gfserve; hit; ttl=60\r\n/);
    expect(handled).toBeLessThanOrEqual(requests.length + SECONDS);
  });

  test('that nobody trusts is itself, and is not told', async () => {
    const requests = [get('/a', 'X-Forwarded-For: 1.1.1.1\r\n')];
    const options = { trustedProxies: ['127.0.0.1'] };
    const { answers, lines, handled } = await compare(options, requests, '127.0.0.9');
    for (const line of lines) expect(line).toMatch(/^127\.0\.0\.9 /);
    for (const answer of answers) expect(answer).not.toMatch(/Cache-Status/i);
    expect(handled).toBeLessThanOrEqual(SECONDS);
  });

  test('of thousands behind a proxy is the right one', async () => {
    const path = newFile();
    const { port, accessLog } = serve({ log: path, trustedProxies: ['127.0.0.1'] });
    const client = await Client.open(port);
    const wanted = [];
    // More than are remembered, and each of them twice.
    for (let i = 0; i < 10_000; i++) {
      const address = `9.8.${(i >> 8) % 20}.${(i >> 1) & 255}`;
      wanted.push(address);
      client.socket.write(get('/a', `X-Forwarded-For: ${address}\r\n`));
      if (i % 10 === 9) for (let k = 0; k < 10; k++) await client.answer();
    }
    await accessLog.close();
    expect(linesOf(path).map((line) => line.split(' ')[0])).toEqual(wanted);
  }, 60_000);
});

/** Asks by several connections at once until `count` requests were answered. */
async function ask(port: number, count: number): Promise<void> {
  const one = async (number: number): Promise<void> => {
    const client = await Client.open(port);
    for (let i = number; i < count; i += 20) await client.ask(get(`/a?${i}`));
    client.socket.destroy();
  };
  await Promise.all(Array.from({ length: 20 }, (_, number) => one(number)));
}

const numbersOf = (lines: readonly string[]): number[] =>
  lines
    .map((line) => Number(/ "GET \/a\?(\d+) HTTP\/1\.1" 200 5 /.exec(line)?.[1]))
    .sort((a, b) => a - b);

describe('a log', () => {
  const COUNT = 20_000;
  const all = Array.from({ length: COUNT }, (_, number) => number);

  test('has each line once, while it is rotated and what is cached changes', async () => {
    const path = newFile();
    const { port, accessLog, state, epoch, quick } = serve({ log: path });
    const rotated: string[] = [];
    const timer = setInterval(() => {
      const name = newFile();
      renameSync(path, name);
      rotated.push(name);
      accessLog.reopen();
    }, 100);
    const changes = setInterval(() => {
      epoch[0] = (epoch[0] ?? 0) + 1;
    }, 5);
    await ask(port, COUNT);
    clearInterval(timer);
    clearInterval(changes);
    // The last one may not be there yet.
    await sleep(300);
    await accessLog.close();
    quick.collect();
    expect(state.requests).toBeGreaterThan(COUNT / 2);
    expect(numbersOf([...rotated, path].flatMap(linesOf))).toEqual(all);
    expect(accessLog.lost).toBe(0);
    expect(rotated.length).toBeGreaterThan(3);
  }, 60_000);

  test('whose reader is slow has or counts each line', async () => {
    const path = newFile();
    execFileSync('mkfifo', [path]);
    // Until somebody reads it can not be opened.
    const reader = createReadStream(path, { highWaterMark: 4096 });
    let text = '';
    reader.on('data', (data) => {
      text += String(data);
      reader.pause();
      setTimeout(() => reader.resume(), 1);
    });
    await sleep(50);
    const { port, accessLog } = serve({ log: path });
    await ask(port, COUNT);
    await accessLog.close();
    await sleep(300);
    const numbers = numbersOf(text.split('\n').slice(0, -1));
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.some(Number.isNaN)).toBe(false);
    expect(numbers.length + accessLog.lost).toBe(COUNT);
    reader.destroy();
  }, 60_000);

  test('that was closed gets no more lines, and the requests their answers', async () => {
    const path = newFile();
    const { port, accessLog, state } = serve({ log: path });
    const client = await Client.open(port);
    await warm(client, '/a');
    await client.ask(get('/a'));
    await accessLog.close();
    const before = state.handled;
    const count = linesOf(path).length;
    for (let i = 0; i < 3; i++) expect(await client.ask(get('/a'))).toMatch(/hello$/);
    expect(state.handled).toBe(before + 3);
    expect(linesOf(path)).toHaveLength(count);
    expect(accessLog.lost).toBe(3);
  });

  test('is not waited for: what is answered is in it soon', async () => {
    const path = newFile();
    const { port } = serve({ log: path });
    const client = await Client.open(port);
    await warm(client, '/a');
    for (let i = 0; i < 10; i++) await client.ask(get('/a'));
    await sleep(500);
    expect(linesOf(path)).toHaveLength(14);
  });
});
