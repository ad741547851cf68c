/** Connections for the fuzzer: what each sends, from a seed. Pure: the same seed and number give the same bytes. */
import { createRandom } from './raw.js';

/** What is known of a request that is sent as it should be. */
export interface Expected {
  readonly method: string;
  readonly status: number;
  /** Whose bytes its body is, or a part of; null: it is no file's. */
  readonly file: string | null;
}

export interface FuzzRequest {
  readonly bytes: Buffer;
  /** null: it may be anything. */
  readonly expected: Expected | null;
}

export interface FuzzConnection {
  /** A request is sent when the one before was answered; else they are sent at once. */
  readonly waits: boolean;
  readonly requests: readonly FuzzRequest[];
  /** Lengths of the segments that the requests are sent in, over and over; none: each request is one. */
  readonly segments: readonly number[];
  /** The client goes away when so many bytes came, by a reset or not. null: it stays. */
  readonly abort: { readonly atBytes: number; readonly reset: boolean } | null;
}

interface Good extends Expected {
  readonly path: string;
  readonly headers?: string;
}

/** All are served by the mounts of fuzz.test.ts. */
export const GOOD: readonly Good[] = [
  { method: 'GET', path: '/a.txt', status: 200, file: 'a.txt' },
  { method: 'GET', path: '/b.txt?x=1', status: 200, file: 'b.txt' },
  { method: 'GET', path: '/zero.txt', status: 200, file: 'zero.txt' },
  { method: 'GET', path: '/mid.bin', status: 200, file: 'mid.bin' },
  { method: 'GET', path: '/big.bin', status: 200, file: 'big.bin' },
  { method: 'GET', path: '/dir/', status: 200, file: 'dir/index.html' },
  { method: 'GET', path: '/dir/../%61.txt', status: 200, file: 'a.txt' },
  { method: 'GET', path: '/%C3%BC.txt', status: 200, file: 'ü.txt' },
  { method: 'GET', path: '/dir', status: 301, file: null },
  { method: 'GET', path: '/none', status: 404, file: null },
  { method: 'GET', path: '/none/', status: 404, file: null },
  { method: 'GET', path: '/empty/', status: 403, file: null },
  { method: 'GET', path: '/%zz', status: 400, file: null },
  { method: 'HEAD', path: '/mid.bin', status: 200, file: null },
  { method: 'HEAD', path: '/none', status: 404, file: null },
  { method: 'OPTIONS', path: '/a.txt', status: 204, file: null },
  { method: 'DELETE', path: '/a.txt', status: 405, file: null },
  {
    method: 'GET',
    path: '/pre/app.js',
    headers: 'Accept-Encoding: gzip, br\r\n',
    status: 200,
    file: 'app.js.br',
  },
  {
    method: 'GET',
    path: '/pre/app.js',
    headers: 'Accept-Encoding: gzip\r\n',
    status: 200,
    file: 'app.js.gz',
  },
  { method: 'GET', path: '/pre/app.js', status: 200, file: 'app.js' },
  { method: 'GET', path: '/spa/any/where', status: 200, file: 'dir/index.html' },
  { method: 'GET', path: '/list/', status: 200, file: null },
  { method: 'GET', path: '/list/many/?sort=size&order=desc', status: 200, file: null },
  { method: 'GET', path: '/json/many/', status: 200, file: null },
  { method: 'GET', path: '/r/gone/x%20y?q', status: 301, file: null },
  { method: 'GET', path: '/r/old/a', status: 200, file: 'a.txt' },
  { method: 'GET', path: '/r/loop/x', status: 500, file: null },
  { method: 'GET', path: '/r/none', status: 404, file: '404.html' },
  { method: 'GET', path: '/a.txt', headers: 'If-None-Match: *\r\n', status: 304, file: null },
  { method: 'GET', path: '/a.txt', headers: 'If-Match: "x"\r\n', status: 412, file: null },
  {
    method: 'GET',
    path: '/mid.bin',
    headers: 'Range: bytes=100-20000\r\n',
    status: 206,
    file: 'mid.bin',
  },
  {
    method: 'GET',
    path: '/big.bin',
    headers: 'Range: bytes=-70000\r\n',
    status: 206,
    file: 'big.bin',
  },
  {
    method: 'GET',
    path: '/big.bin',
    headers: 'Range: bytes=1-9,300000-400000,7-20\r\n',
    status: 206,
    file: 'big.bin',
  },
  { method: 'GET', path: '/a.txt', headers: 'Range: bytes=99-\r\n', status: 416, file: null },
];

export const render = ({ method, path, headers = '' }: Good): Buffer =>
  Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`, 'latin1');

const BYTES = Buffer.from('\0\t\n\r !"#$%&*,-./0129:;<=?@[\\]^{|}~\x7f\x80\xff', 'latin1');
const WORDS = [
  '\r\n',
  '\r\n\r\n',
  'HTTP/1.1',
  'HTTP/1.0',
  'GET ',
  'HEAD ',
  '../',
  '/..',
  '//',
  '%2e%2e',
  '%00',
  '%2f',
  'Host: y\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  '0\r\n\r\n',
  'Range: bytes=0-\r\n',
  'Connection: close\r\n',
  'Expect: 100-continue\r\n',
  ': x\r\n',
  'Upgrade: websocket\r\n',
  '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x7f\0\0\x01\0\x50\0\x51',
].map((word) => Buffer.from(word, 'latin1'));

class Generator {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = createRandom(seed);
  }

  connection(): FuzzConnection {
    const count = this.#chance(0.5) ? 1 : 1 + this.#upTo(4);
    // A connection of good requests only has to be answered in full, if it waits.
    const pure = this.#chance(0.25);
    const requests = Array.from({ length: count }, () => (pure ? this.#good() : this.#any()));
    const waits = this.#chance(0.6);
    const segments = Array.from({ length: this.#chance(0.6) ? 0 : 1 + this.#upTo(3) }, () => {
      return 1 + this.#upTo(60);
    });
    const abort = this.#chance(0.1)
      ? { atBytes: this.#chance(0.3) ? 0 : this.#upTo(100_000), reset: this.#chance(0.5) }
      : null;
    return { waits, requests, segments: pure && waits ? [] : segments, abort };
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }

  #upTo(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #of<T>(list: readonly T[]): T {
    const item = list[this.#upTo(list.length)];
    if (item === undefined) throw new Error('an empty list');
    return item;
  }

  #good(): FuzzRequest {
    const good = this.#of(GOOD);
    return { bytes: render(good), expected: good };
  }

  #any(): FuzzRequest {
    const kind = this.#random();
    if (kind < 0.15) return this.#good();
    if (kind < 0.4) return { bytes: this.#conditional(), expected: null };
    if (kind < 0.5) return { bytes: this.#noise(), expected: null };
    let bytes = kind < 0.6 ? this.#conditional() : this.#good().bytes;
    for (let i = this.#upTo(4); i >= 0; i--) bytes = this.#mutated(bytes);
    return { bytes, expected: null };
  }

  #noise(): Buffer {
    const bytes = Buffer.from(Array.from({ length: 1 + this.#upTo(400) }, () => this.#upTo(256)));
    return this.#chance(0.5) ? Buffer.concat([bytes, Buffer.from('\r\n\r\n')]) : bytes;
  }

  #mutated(bytes: Buffer): Buffer {
    const at = this.#upTo(bytes.length + 1);
    const end = Math.min(bytes.length, at + 1 + this.#upTo(12));
    const [before, part, after] = [
      bytes.subarray(0, at),
      bytes.subarray(at, end),
      bytes.subarray(end),
    ];
    switch (this.#upTo(8)) {
      case 0: {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << this.#upTo(8));
        return flipped;
      }
      case 1:
        return Buffer.concat([
          before,
          Buffer.from([BYTES[this.#upTo(BYTES.length)] ?? 0]),
          part,
          after,
        ]);
      case 2:
        return Buffer.concat([before, after]);
      case 3:
        return Buffer.concat([
          before,
          ...Array.from({ length: 2 + this.#upTo(3) }, () => part),
          after,
        ]);
      case 4:
        return before;
      case 5: {
        const other = render(this.#of(GOOD));
        return Buffer.concat([before, other.subarray(this.#upTo(other.length))]);
      }
      case 6:
        return Buffer.concat([before, this.#of(WORDS), part, after]);
      default:
        return Buffer.concat([
          before,
          Buffer.alloc(this.#upTo(9000), part.length > 0 ? part : 'x'),
          after,
        ]);
    }
  }

  /** Right in form; what its headers say is random. */
  #conditional(): Buffer {
    const good = this.#of(GOOD);
    const lines = Array.from({ length: 1 + this.#upTo(3) }, () => {
      const name = this.#of([
        'Range',
        'Range',
        'If-Range',
        'If-Match',
        'If-None-Match',
        'If-Modified-Since',
        'If-Unmodified-Since',
        'Accept-Encoding',
        'Host',
        'Connection',
      ]);
      return `${name}: ${name === 'Range' ? this.#range() : this.#value()}\r\n`;
    });
    return render({ ...good, headers: lines.join('') });
  }

  #range(): string {
    const number = (): string =>
      this.#of([
        '',
        '0',
        '1',
        '12',
        '40000',
        '599999',
        '600000',
        '18446744073709551616',
        String(this.#upTo(600_000)),
        '-1',
        'x',
      ]);
    const count = this.#chance(0.6) ? 1 : this.#upTo(60);
    const specs = Array.from({ length: count }, () => `${number()}-${number()}`);
    return `${this.#of(['bytes=', 'bytes=', 'Bytes=', 'bytes', 'items='])}${specs.join(this.#of([',', ', ', ' ,,']))}`;
  }

  #value(): string {
    const parts = [
      '*',
      '"x"',
      'W/"x"',
      '"',
      ',',
      'gzip',
      'br',
      'identity',
      ';q=0',
      ';q=0.5',
      'Sat, 29 Feb 2020 12:34:56 GMT',
      'Sat Feb 29 12:34:56 2020',
      'Fri, 31 Dec 2100 23:59:59 GMT',
      'close',
      '\xff',
      'a'.repeat(300),
      '[::1]:80',
      'x.example',
    ];
    return Array.from({ length: this.#upTo(5) }, () => this.#of(parts)).join(
      this.#of([', ', ' ', '']),
    );
  }
}

/** The connection of that number in the run of that seed. */
export function fuzzConnection(seed: number, number: number): FuzzConnection {
  return new Generator(
    (Math.imul(seed, 0x9e3779b1) + Math.imul(number, 0x85ebca77)) >>> 0,
  ).connection();
}
