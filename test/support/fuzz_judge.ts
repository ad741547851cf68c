/** Whether what a connection got can be right. */
import type { Expected } from './fuzz_requests.js';
import type { Parsed, RawAnswer } from './raw_answers.js';

/** What is on the volume. */
export interface Known {
  readonly files: ReadonlyMap<string, Buffer>;
  /** ETag → the name of the file that it is of. */
  readonly etags: ReadonlyMap<string, string>;
}

const PAGE_END = '<hr><i>uWebSockets/20 Server</i>';
const PAGE =
  /HTTP\/1\.1 (400 Bad Request|431 [A-Za-z ]+|505 [A-Za-z ]+)\r\nConnection: close\r\n\r\n<h1>[^\r\n]*$/;
const OWN = new Set([400, 403, 404, 405, 412, 414, 416, 500]);
const LONGEST_PAGE = 300;

/** null: all is well. `expected`: of the requests up to the first that may be anything. */
export function judge(
  { answers, rest }: Parsed,
  expected: readonly Expected[],
  known: Known,
): string | null {
  const final = answers.filter(({ status }) => status !== 100);
  for (const answer of final) {
    const wrong = judgeAnswer(answer, known);
    if (wrong !== null) return wrong;
  }
  // The head of a body that has to be read yet goes out on its own, and may be all there is of an answer that is cut off.
  if (rest.length > 0 && !isPartOfHead(rest)) return `no answer: ${excerpt(rest)}`;
  for (const [index, { status, file, method }] of expected.entries()) {
    const answer = final[index];
    if (!answer) break;
    // What came behind the request, on a connection that ends with this.
    if (isPage(answer) && index === final.length - 1) break;
    if (answer.status !== status) return `answer ${index}: ${answer.status} instead of ${status}`;
    if (file === null || method === 'HEAD') continue;
    const wrong = judgeFile(answer, file, known);
    if (wrong !== null) return `answer ${index}: ${wrong}`;
  }
  return null;
}

const excerpt = (data: Buffer): string => JSON.stringify(data.toString('latin1', 0, 200));
const isPage = ({ body }: RawAnswer): boolean =>
  body.subarray(-PAGE_END.length).equals(Buffer.from(PAGE_END));

const isPartOfHead = (rest: Buffer): boolean =>
  /^HTTP\/1\.1 20[06] [A-Za-z ]+\r\n([A-Za-z-]+: [ -~]+\r\n)+$/.test(
    withoutPage(rest).toString('latin1'),
  );

function judgeAnswer(answer: RawAnswer, known: Known): string | null {
  const { status, headers, body, complete } = answer;
  if (isPage(answer) && !headers.has('date')) {
    return [400, 431, 505].includes(status) ? null : `a page with ${status}`;
  }
  if (!headers.has('date')) return `${status} without a date`;
  if (status === 204 || status === 304) return body.length === 0 ? null : `${status} with a body`;
  if (status === 301) return headers.has('location') && body.length === 0 ? null : 'a bad redirect';
  if (status === 200 || status === 206) {
    const name = known.etags.get(headers.get('etag') ?? '');
    if (headers.has('etag') && name === undefined) return 'an unknown ETag';
    return name === undefined ? judgeListing(answer) : judgeFile(answer, name, known);
  }
  if (!OWN.has(status)) return `status ${status}: ${excerpt(body)}`;
  if (!complete || body.length === 0) return null;
  const text = body.toString('latin1');
  if (status === 500 && !text.includes('rewrite rules')) return `500: ${text}`;
  const isErrorPage = status === 404 && known.files.get('404.html')?.equals(body);
  return text.startsWith(`${status} `) || isErrorPage ? null : `${status}: ${excerpt(body)}`;
}

function judgeListing({ status, headers, body, complete }: RawAnswer): string | null {
  if (status !== 200) return `a listing with ${status}`;
  if (!complete || body.length === 0) return null;
  const text = body.toString('utf8');
  if (headers.get('content-type')?.startsWith('application/json')) {
    return Array.isArray(JSON.parse(text)) ? null : 'a listing that is no array';
  }
  return /^<!doctype html>.*<\/html>\s*$/is.test(text) ? null : `no listing: ${excerpt(body)}`;
}

/** Every byte that came is the file's; what uWebSockets.js puts into a body that it cuts off does not count. */
function judgeFile(answer: RawAnswer, name: string, { files }: Known): string | null {
  const content = files.get(name);
  if (!content) return `no file ${name}`;
  const { status, headers, complete } = answer;
  const announced = Number(headers.get('content-length'));
  const body = complete ? answer.body : withoutPage(answer.body);
  const type = headers.get('content-type') ?? '';
  if (status === 206 && type.startsWith('multipart/byteranges'))
    return judgeParts(body, type, content, complete);
  let wanted = content;
  if (status === 206) {
    const [, from, to, size] =
      /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers.get('content-range') ?? '') ?? [];
    if (Number(size) !== content.length) return `${name}: a bad Content-Range`;
    wanted = content.subarray(Number(from), Number(to) + 1);
  }
  if (announced !== wanted.length)
    return `${name}: ${announced} bytes announced, not ${wanted.length}`;
  if (complete && body.length === 0) return null; // HEAD
  return wanted.subarray(0, body.length).equals(body) ? null : `${name}: other bytes`;
}

function withoutPage(body: Buffer): Buffer {
  const tail = body.toString('latin1', Math.max(0, body.length - LONGEST_PAGE));
  const at = PAGE.exec(tail)?.[0].length ?? 0;
  return body.subarray(0, body.length - at);
}

function judgeParts(body: Buffer, type: string, content: Buffer, complete: boolean): string | null {
  const boundary = Buffer.from(`\r\n--${type.slice(type.indexOf('=') + 1)}`);
  let at = 0;
  while (at < body.length) {
    if (!body.subarray(at, at + boundary.length).equals(boundary)) {
      return complete ? 'parts: no boundary' : null;
    }
    at += boundary.length;
    if (body.toString('latin1', at) === '--\r\n') return null;
    const headEnd = body.indexOf('\r\n\r\n', at);
    if (headEnd === -1) return complete ? 'parts: no end' : null;
    const [, from, to] =
      /\r\nContent-Range: bytes (\d+)-(\d+)\//.exec(body.toString('latin1', at, headEnd)) ?? [];
    if (from === undefined) return 'parts: no Content-Range';
    const wanted = content.subarray(Number(from), Number(to) + 1);
    const part = body.subarray(headEnd + 4, headEnd + 4 + wanted.length);
    if (!wanted.subarray(0, part.length).equals(part)) return 'parts: other bytes';
    at = headEnd + 4 + wanted.length;
  }
  return complete ? 'parts: cut off' : null;
}
