/** What raw connections send, and what each gets. docs/http.md says the same for users. */

/** What became of the connection after its answers. */
export const ENDS = {
  /** It takes the next request. */
  open: 'open',
  /** gfserve closed it at once. */
  closed: 'closed',
  /** Nothing more happened, and after 10 s it was closed. */
  idle: 'idle',
} as const;

export interface Case {
  readonly name: string;
  readonly sent: string;
  /** Answers, then what became of the connection. */
  readonly gets: readonly string[];
  /** The requests' methods, where one is not GET. */
  readonly methods?: readonly string[];
  /** What it may get instead when it comes in pieces. */
  readonly orInPieces?: readonly string[];
}

const { open, closed, idle } = ENDS;
const BAD = ['400 by uWebSockets.js', closed];
const TOO_LARGE = ['431 by uWebSockets.js', closed];
export const VERSION = ['505 by uWebSockets.js', closed];
export const H = 'Host: x\r\n';
export const A = `GET /a HTTP/1.1\r\n${H}`;
const line = (text: string): string => `${text}\r\n${H}\r\n`;
export const filled = (length: number): string => `X: ${'x'.repeat(length)}\r\n\r\n`;
export const PROXY_V2 =
  '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x7f\0\0\x01\0\x50\0\x51';

const requestLines: Case[] = [
  { name: 'GET', sent: `${A}\r\n`, gets: ['200 a', open] },
  { name: 'HEAD', sent: line('HEAD /a HTTP/1.1'), methods: ['HEAD'], gets: ['200', open] },
  { name: 'OPTIONS', sent: line('OPTIONS /a HTTP/1.1'), gets: ['204', open] },
  { name: 'POST', sent: line('POST /a HTTP/1.1'), gets: ['405', closed] },
  { name: 'TRACE', sent: line('TRACE /a HTTP/1.1'), gets: ['405', closed] },
  { name: 'lower-case get', sent: line('get /a HTTP/1.1'), gets: ['405', closed] },
  { name: 'lower-case head', sent: line('head /a HTTP/1.1'), gets: ['405', closed] },
  { name: 'no token as a method', sent: line('G@T /a HTTP/1.1'), gets: ['405', closed] },
  { name: 'an empty method', sent: line(' /a HTTP/1.1'), gets: ['405', closed] },
  { name: 'CONNECT with a path', sent: line('CONNECT /a HTTP/1.1'), gets: ['405', closed] },
  { name: 'CONNECT', sent: line('CONNECT x:80 HTTP/1.1'), gets: VERSION },
  { name: 'OPTIONS *', sent: line('OPTIONS * HTTP/1.1'), gets: VERSION },
  { name: 'absolute-form', sent: line('GET http://x/a HTTP/1.1'), gets: VERSION },
  { name: 'HTTP/1.0', sent: line('GET /a HTTP/1.0'), gets: VERSION },
  { name: 'HTTP/1.2', sent: line('GET /a HTTP/1.2'), gets: VERSION },
  { name: 'http in lower case', sent: line('GET /a http/1.1'), gets: VERSION },
  { name: 'HTTP/2 preface', sent: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', gets: VERSION },
  { name: 'HTTP/0.9', sent: 'GET /a\r\n', gets: [idle] },
  { name: 'HTTP/0.9, LF', sent: 'GET /a\n', gets: VERSION },
  { name: 'two spaces before the path', sent: line('GET  /a HTTP/1.1'), gets: VERSION },
  { name: 'two spaces behind the path', sent: line('GET /a  HTTP/1.1'), gets: VERSION },
  { name: 'a space in the path', sent: line('GET /a b HTTP/1.1'), gets: VERSION },
  { name: 'a tab in the path', sent: line('GET /a\tb HTTP/1.1'), gets: VERSION },
  { name: 'a NUL in the path', sent: line('GET /a\0 HTTP/1.1'), gets: VERSION },
  { name: 'a control byte in the path', sent: line('GET /a\x01 HTTP/1.1'), gets: VERSION },
  { name: 'a CR in the path', sent: line('GET /a\rb HTTP/1.1'), gets: [idle] },
  { name: 'a DEL in the path', sent: line('GET /a\x7f HTTP/1.1'), gets: ['404', open] },
  { name: 'not UTF-8 in the path', sent: line('GET /\xff HTTP/1.1'), gets: ['400', open] },
  { name: 'a bad escape', sent: line('GET /%zz HTTP/1.1'), gets: ['400', open] },
  { name: 'an encoded CR LF', sent: line('GET /a%0d%0aX:1 HTTP/1.1'), gets: ['404', open] },
  { name: 'a fragment', sent: line('GET /a#b HTTP/1.1'), gets: ['200 a', open] },
  { name: 'a path of 5,000', sent: line(`GET /${'x'.repeat(5000)} HTTP/1.1`), gets: ['414', open] },
  { name: '15,000', sent: line(`GET /${'x'.repeat(15000)} HTTP/1.1`), gets: ['414', open] },
  { name: '20,000', sent: line(`GET /${'x'.repeat(20000)} HTTP/1.1`), gets: TOO_LARGE },
  {
    name: 'a query of 8,000',
    sent: line(`GET /a?${'x'.repeat(8000)} HTTP/1.1`),
    gets: ['200 a', open],
  },
];

const headers: Case[] = [
  { name: 'no header', sent: 'GET /a HTTP/1.1\r\n\r\n', gets: [idle] },
  { name: 'no Host', sent: 'GET /a HTTP/1.1\r\nX: y\r\n\r\n', gets: BAD },
  { name: 'an empty Host', sent: 'GET /a HTTP/1.1\r\nHost:\r\n\r\n', gets: ['200 a', open] },
  {
    name: 'an impossible Host',
    sent: 'GET /a HTTP/1.1\r\nHost: ../ x\r\n\r\n',
    gets: ['200 a', open],
  },
  { name: 'Host twice', sent: `${A}Host: y\r\n\r\n`, gets: ['200 a', open] },
  { name: '8 KiB', sent: A + filled(8192), gets: ['200 a', open] },
  { name: 'just below 16 KiB', sent: A + filled(16 * 1024 - 60), gets: ['200 a', open] },
  { name: 'above 16 KiB', sent: A + filled(16 * 1024), gets: TOO_LARGE },
  { name: '100 KiB', sent: A + filled(100 * 1024), gets: TOO_LARGE },
  { name: 'above 16 KiB, without an end', sent: `${A}X: ${'x'.repeat(17000)}`, gets: TOO_LARGE },
  { name: '98 headers', sent: `${A}${'X: y\r\n'.repeat(97)}\r\n`, gets: ['200 a', open] },
  { name: '99 headers', sent: `${A}${'X: y\r\n'.repeat(98)}\r\n`, gets: TOO_LARGE },
  { name: 'an empty name', sent: `${A}: y\r\n\r\n`, gets: ['200 a', open] },
  { name: 'an empty name before Host', sent: `GET /a HTTP/1.1\r\n: y\r\n${H}\r\n`, gets: BAD },
  { name: 'no colon', sent: `${A}X\r\n\r\n`, gets: [idle] },
  { name: 'a blank before the colon', sent: `${A}X : y\r\n\r\n`, gets: [idle] },
  { name: 'a NUL in a name', sent: `${A}X\0: y\r\n\r\n`, gets: [idle] },
  { name: 'a NUL in a value', sent: `${A}X: a\0b\r\n\r\n`, gets: [idle] },
  { name: 'a control byte in a value', sent: `${A}X: a\x01b\r\n\r\n`, gets: [idle] },
  { name: 'a tab in a value', sent: `${A}X: a\tb\r\n\r\n`, gets: ['200 a', open] },
  { name: 'a byte above 127 in a value', sent: `${A}X: \xff\r\n\r\n`, gets: ['200 a', open] },
  { name: 'obs-fold', sent: `${A}X: a\r\n b\r\n\r\n`, gets: [idle] },
  { name: 'LF for CR LF', sent: 'GET /a HTTP/1.1\nHost: x\n\n', gets: VERSION },
  { name: 'LF behind a header', sent: 'GET /a HTTP/1.1\r\nHost: x\n\n', gets: [idle] },
  { name: 'LF at the end', sent: `${A}\n`, gets: [idle] },
  { name: 'CR behind a header', sent: 'GET /a HTTP/1.1\r\nHost: x\rX: y\r\n\r\n', gets: [idle] },
  {
    name: 'Range twice',
    sent: `${A}Range: bytes=0-1\r\nRange: bytes=5-6\r\n\r\n`,
    gets: ['206 a', open],
  },
  {
    name: 'If-None-Match twice',
    sent: `${A}If-None-Match: *\r\nIf-None-Match: "x"\r\n\r\n`,
    gets: ['304', open],
  },
  {
    name: 'the other way round',
    sent: `${A}If-None-Match: "x"\r\nIf-None-Match: *\r\n\r\n`,
    gets: ['200 a', open],
  },
  {
    name: 'Accept-Encoding twice',
    sent: `GET /pre/doc HTTP/1.1\r\n${H}Accept-Encoding: gzip\r\nAccept-Encoding: br\r\n\r\n`,
    gets: ['200 doc.gz', open],
  },
  {
    name: 'the other way round',
    sent: `GET /pre/doc HTTP/1.1\r\n${H}Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n\r\n`,
    gets: ['200 doc', open],
  },
  { name: 'Connection: close', sent: `${A}Connection: close\r\n\r\n`, gets: ['200 a', closed] },
  {
    name: 'of a larger file',
    sent: `GET /mid HTTP/1.1\r\n${H}Connection: close\r\n\r\n`,
    gets: ['200 mid', closed],
  },
  { name: 'and other words', sent: `${A}Connection: close, TE\r\n\r\n`, gets: ['200 a', open] },
  {
    name: 'any word of five letters',
    sent: `${A}Connection: abcde\r\n\r\n`,
    gets: ['200 a', closed],
  },
  {
    name: 'Upgrade to h2c',
    sent: `${A}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n`,
    gets: ['200 a', open],
  },
];

const CHUNKED = 'Transfer-Encoding: chunked\r\n';
/** In pieces the body may come when the answer is already out. */
const served = { gets: ['200 a', closed] };
const refused = { gets: BAD };
const refusedUnlessServed = { gets: BAD, orInPieces: ['200 a', closed] };

const bodies: Case[] = [
  { name: 'Content-Length: 0', sent: `${A}Content-Length: 0\r\n\r\n`, gets: ['200 a', open] },
  { name: 'an empty Content-Length', sent: `${A}Content-Length:\r\n\r\n`, gets: ['200 a', open] },
  { name: 'Content-Length', sent: `${A}Content-Length: 3\r\n\r\nabc`, ...served },
  { name: 'more announced than sent', sent: `${A}Content-Length: 30\r\n\r\nabc`, ...served },
  {
    name: 'Content-Length twice',
    sent: `${A}${'Content-Length: 3\r\n'.repeat(2)}\r\nabc`,
    ...served,
  },
  {
    name: 'different ones',
    sent: `${A}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc`,
    ...served,
  },
  { name: 'a list', sent: `${A}Content-Length: 3, 3\r\n\r\nabc`, ...refusedUnlessServed },
  { name: 'negative', sent: `${A}Content-Length: -3\r\n\r\nabc`, ...refusedUnlessServed },
  { name: 'no number', sent: `${A}Content-Length: x\r\n\r\nabc`, ...refusedUnlessServed },
  {
    name: 'beyond 64 bits',
    sent: `${A}Content-Length: ${'9'.repeat(30)}\r\n\r\n`,
    ...refusedUnlessServed,
  },
  { name: 'chunked', sent: `${A}${CHUNKED}\r\n3\r\nabc\r\n0\r\n\r\n`, ...served },
  { name: 'chunked, not ended', sent: `${A}${CHUNKED}\r\n5\r\nab`, ...served },
  { name: 'chunked twice', sent: `${A}${CHUNKED}${CHUNKED}\r\n0\r\n\r\n`, ...served },
  { name: 'another coding', sent: `${A}Transfer-Encoding: identity\r\n\r\n`, ...served },
  { name: 'a bad chunk', sent: `${A}${CHUNKED}\r\nzz\r\nabc\r\n`, ...refusedUnlessServed },
  {
    name: 'chunked and Content-Length',
    sent: `${A}${CHUNKED}Content-Length: 3\r\n\r\n0\r\n\r\n`,
    ...refused,
  },
  {
    name: 'Expect: 100-continue',
    sent: `${A}Content-Length: 3\r\nExpect: 100-continue\r\n\r\n`,
    gets: ['100', '200 a', closed],
  },
  {
    name: 'on HEAD: announced, and left to the client to close',
    sent: `HEAD /a HTTP/1.1\r\n${H}Content-Length: 3\r\n\r\nabc`,
    methods: ['HEAD'],
    gets: ['200', idle],
  },
  {
    name: 'for a larger file: the same',
    sent: `GET /mid HTTP/1.1\r\n${H}Content-Length: 3\r\n\r\nabc`,
    gets: ['200 mid', idle],
  },
  {
    name: 'on POST',
    sent: `POST /a HTTP/1.1\r\n${H}Content-Length: 3\r\n\r\nabc`,
    gets: ['405', closed],
  },
  {
    name: 'of 1 MB on POST',
    sent: `POST /a HTTP/1.1\r\n${H}Content-Length: 1000000\r\n\r\n${'x'.repeat(1e6)}`,
    gets: ['405', closed],
  },
  {
    name: 'of 1 MB on GET',
    sent: `${A}Content-Length: 1000000\r\n\r\n${'x'.repeat(1e6)}`,
    ...served,
  },
];

const noRequests: Case[] = [
  { name: 'a word', sent: 'hello', gets: [idle] },
  { name: 'two words', sent: 'hello world\r\n\r\n', gets: VERSION },
  { name: 'control bytes', sent: '\x01\x02\x03\x04\x05\r\n\r\n', gets: VERSION },
  {
    name: 'a TLS ClientHello',
    sent: `\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03${'\x80\x90\x20\0'.repeat(20)}`,
    gets: VERSION,
  },
  {
    name: 'PROXY protocol v1',
    sent: `PROXY TCP4 1.2.3.4 127.0.0.1 1 80\r\n${A}\r\n`,
    gets: VERSION,
  },
  { name: 'PROXY protocol v2', sent: `${PROXY_V2}${A}\r\n`, gets: ['200 a', open] },
  { name: 'v2, and nothing behind it', sent: PROXY_V2, gets: [idle] },
  {
    name: 'v2 that is too long',
    sent: `${PROXY_V2.slice(0, 14)}\xff\xff${'x'.repeat(300)}`,
    gets: [idle],
  },
  { name: 'empty lines before a request', sent: `\r\n${A}\r\n`, gets: [idle] },
  { name: 'half a request', sent: 'GET /a HTTP/1.1\r\nHo', gets: [idle] },
];

export const groups: [string, Case[]][] = [
  ['request lines', requestLines],
  ['headers', headers],
  ['bodies on requests', bodies],
  ['what is no request', noRequests],
];
