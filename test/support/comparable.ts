/** What of an answer must be the same when it came through a proxy. */
import { type Answer, sha256 } from './client.js';

/** nginx writes Server and Date itself; the others are about one connection only (RFC 9110 §7.6.1). */
const OF_THE_PROXY = new Set(['server', 'date', 'connection', 'keep-alive', 'transfer-encoding']);

/** For toEqual. A multipart answer's boundary, which is another one each time, is put aside. */
export function comparable({ status, rawHeaders, body, complete }: Answer): object {
  const [, boundary] = /boundary=([0-9A-Za-z]+)/.exec(rawHeaders.join('\n')) ?? [];
  const neutral = (text: string): string =>
    boundary === undefined ? text : text.replaceAll(boundary, 'BOUNDARY');
  const headers: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    if (!OF_THE_PROXY.has(name)) headers.push(neutral(`${name}: ${rawHeaders[i + 1]}`));
  }
  const bytes = Buffer.from(neutral(body.toString('latin1')), 'latin1');
  return {
    status,
    complete,
    headers: headers.sort(),
    length: body.length,
    sha256: sha256(bytes),
  };
}
