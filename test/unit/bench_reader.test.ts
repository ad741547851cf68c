/** What the bench's own client takes for an answer, against servers that answer as they are told. */
import { createServer, type Server } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { type ReadyRequest, readyRequest } from '../../bench/load/plan.js';
import { parseHead, Reader } from '../../bench/load/reader.js';

const file = { path: '/a.bin', size: 4, sha256: 'aa', windows: [] };
const request: ReadyRequest = readyRequest({ kind: 'whole', file, weight: 1 }, null);
const HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n';

let server: Server | null = null;
afterEach(() => {
  server?.close();
});

/** What a reader tells of a server that answers each request with these pieces, until `most` answers have come. */
function read(pieces: readonly string[], ends: boolean, most = 2): Promise<string> {
  return new Promise((resolve) => {
    let answers = 0;
    const started = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => {
        for (const [at, piece] of pieces.entries()) setTimeout(() => socket.write(piece), at * 20);
        if (ends) setTimeout(() => socket.end(), pieces.length * 20);
      });
    });
    server = started;
    started.listen(0, '127.0.0.1', () => {
      const address = started.address();
      const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
      const reader = new Reader(port, request, {
        bytes: () => undefined,
        answer: () => {
          answers += 1;
          if (answers === most) {
            reader.close();
            resolve(`${answers} answers`);
          }
          return request;
        },
        problem: resolve,
      });
    });
  });
}

test.each([
  ['at once', [`${HEAD}abcd`], false, '2 answers'],
  ['in pieces, the head too', [HEAD.slice(0, 20), `${HEAD.slice(20)}a`, 'bcd'], false, '2 answers'],
  [
    'and closed, which it says',
    [`${HEAD.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')}abcd`],
    true,
    '2 answers',
  ],
  ['cut off', [`${HEAD}abc`], true, 'ended early'],
  ['with a byte too many', [`${HEAD}abcde`], false, 'too many bytes'],
  ['of another length', [HEAD.replace('4', '5')], false, 'announced 5 bytes'],
  ['without a length', ['HTTP/1.1 200 OK\r\n\r\n'], false, 'announced NaN bytes'],
  ['of another status', ['HTTP/1.1 503 Busy\r\n\r\n'], false, 'status 503'],
])('an answer %s', async (_title, pieces, ends, expected) => {
  expect(await read(pieces, ends)).toBe(expected);
});

test('a head ends at its empty line', () => {
  expect(parseHead(Buffer.from(HEAD.slice(0, -1)))).toBeNull();
  expect(parseHead(Buffer.from(`${HEAD}\r\n\r\n`))?.end).toBe(HEAD.length);
});
