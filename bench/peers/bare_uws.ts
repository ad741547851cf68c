/**
 * A program: the least that a server on uWebSockets.js can do. Arguments: port, folder. It reads each file once, and from then on
 * answers from two buffers; of a request it looks at the path, and at whether it has an If-None-Match.
 */

import * as uws from 'uWebSockets.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Answer {
  readonly head: Buffer;
  readonly body: Buffer;
}

const ETAG = '"0"';
const [port = '', folder = ''] = process.argv.slice(2);
const answers = new Map<string, Answer>();
const notModified = Buffer.from(`304 Not Modified\r\nETag: ${ETAG}`);

function read(path: string): Answer {
  const body = readFileSync(join(folder, path));
  const head = Buffer.from(`200 OK\r\nContent-Type: application/octet-stream\r\nETag: ${ETAG}`);
  const answer = { head, body };
  answers.set(path, answer);
  return answer;
}

const app = uws.App();
app.get('/*', (res, req) => {
  const path = req.getUrl();
  const { head, body } = answers.get(path) ?? read(path);
  if (req.getHeader('if-none-match') !== '') {
    res.writeStatus(notModified);
    res.endWithoutBody();
    return;
  }
  res.writeStatus(head);
  res.end(body);
});
app.head('/*', (res, req) => {
  const { head, body } = answers.get(req.getUrl()) ?? read(req.getUrl());
  res.writeStatus(`${head.toString()}\r\nContent-Length: ${body.length}`);
  res.endWithoutBody();
});
app.listen('127.0.0.1', Number(port), (socket) => {
  if (!socket) process.exitCode = 1;
});
