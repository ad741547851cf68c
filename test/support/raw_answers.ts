/** What a raw connection got, cut into answers: as a strict client would, and never by guessing lengths. */

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case; of a repeated one the last. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** Every byte came that was announced; where nothing was, the connection was ended. */
  readonly complete: boolean;
}

export interface Parsed {
  readonly answers: readonly RawAnswer[];
  /** What is no answer: the beginning of one, or bytes that should not be there. */
  readonly rest: Buffer;
}

const START = Buffer.from('HTTP/1.1 ');
const HEAD_END = Buffer.from('\r\n\r\n');
const STATUS_LINE = /^HTTP\/1\.1 (\d{3}) [ -~]+$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\0\r\n]*?)[ \t]*$/;

/**
 * `methods` are those of the requests, in order. Where they are not known (null), an answer that is followed by nothing or
 * by another one has no body: so no file may begin with `HTTP/1.1 `. `ended`: the server has closed the connection.
 */
export function parseAnswers(
  data: Buffer,
  methods: readonly string[] | null,
  ended: boolean,
): Parsed {
  const answers: RawAnswer[] = [];
  let at = 0;
  let request = 0;
  while (at < data.length) {
    const head = parseHead(data, at);
    if (!head) break;
    const interim = head.status < 200;
    const method = methods === null ? null : (methods[request] ?? 'GET');
    if (!interim) request++;
    const next = data.subarray(head.end);
    const nothingFollows = next.length === 0 || startsAnswer(next);
    // uWebSockets.js' own errors have no length, and a body even on HEAD: it has not understood that it was one.
    const ours = head.status < 400 || head.headers.has('content-length');
    const bodyless =
      interim ||
      head.status === 204 ||
      head.status === 304 ||
      (method === 'HEAD' && ours) ||
      (method === null && nothingFollows);
    const body = bodyless
      ? { bytes: next.subarray(0, 0), length: 0, complete: true }
      : parseBody(next, head.headers, ended);
    const { status, headers } = head;
    answers.push({ status, headers, body: body.bytes, complete: body.complete });
    at = head.end + body.length;
    if (!body.complete) break;
  }
  return { answers, rest: data.subarray(at) };
}

const startsAnswer = (data: Buffer): boolean => data.subarray(0, START.length).equals(START);

function parseHead(
  data: Buffer,
  at: number,
): { status: number; headers: Map<string, string>; end: number } | null {
  const end = data.indexOf(HEAD_END, at);
  if (end === -1) return null;
  const [first = '', ...lines] = data.toString('latin1', at, end).split('\r\n');
  const status = STATUS_LINE.exec(first)?.[1];
  if (status === undefined) return null;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = HEADER.exec(line) ?? [];
    if (name === undefined || value === undefined) return null;
    headers.set(name.toLowerCase(), value);
  }
  return { status: Number(status), headers, end: end + HEAD_END.length };
}

interface Body {
  readonly bytes: Buffer;
  /** As it was sent, chunks' heads and all. */
  readonly length: number;
  readonly complete: boolean;
}

/** RFC 9112 §6.3. */
function parseBody(data: Buffer, headers: ReadonlyMap<string, string>, ended: boolean): Body {
  if (headers.get('transfer-encoding') === 'chunked') return parseChunks(data);
  const announced = headers.get('content-length');
  if (announced === undefined) return { bytes: data, length: data.length, complete: ended };
  const length = Number(announced);
  const bytes = data.subarray(0, length);
  return { bytes, length: bytes.length, complete: bytes.length === length };
}

function parseChunks(data: Buffer): Body {
  const chunks: Buffer[] = [];
  let at = 0;
  while (true) {
    const line = data.indexOf('\r\n', at);
    const digits = line === -1 ? '' : data.toString('latin1', at, line);
    const size = /^[0-9a-fA-F]{1,8}$/.test(digits) ? Number.parseInt(digits, 16) : null;
    const end = line + 2 + (size ?? 0);
    const whole = size !== null && data.toString('latin1', end, end + 2) === '\r\n';
    if (!whole) return { bytes: Buffer.concat(chunks), length: data.length, complete: false };
    chunks.push(data.subarray(line + 2, end));
    at = end + 2;
    if (size === 0) return { bytes: Buffer.concat(chunks), length: at, complete: true };
  }
}
