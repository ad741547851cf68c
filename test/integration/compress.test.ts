/** Compression on the fly, from a real volume to the client. docs/http.md says the same for users. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rename, utimes, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SETTLING_MS } from '../../src/storage/cache/settling.js';
import { type Answer, get } from '../support/client.js';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve, until } from '../support/gfserve.js';
import { Nginx } from '../support/nginx.js';

let cluster: Cluster;
/** Looks at a file again for each request. */
let server: Gfserve;
/** Looks once an hour. */
let lasting: Gfserve;
let htdocs: string;

const APP = Buffer.from('console.log("app");\n'.repeat(500));
/** Its variants are larger than what goes out in one call, and take a moment to make. */
const BIG = Buffer.from(randomBytes(1_500_000).toString('hex'));
const DATA = Buffer.from(JSON.stringify(Array.from({ length: 3000 }, (_, i) => ({ i }))));
const MANY = 150;
const CHANGED = new Date(Date.UTC(2020, 1, 29, 12, 34, 56));
const LAST_MODIFIED = 'Sat, 29 Feb 2020 12:34:56 GMT';

const many = (number: number): Buffer => Buffer.from(`${number} of many\n`.repeat(20_000));

const RULES = `
compress = br, gzip
autoindex = html
charset = utf-8
cache-control[] = "raw.js no-transform"
cache-control[] = "*.js max-age=60"
header[] = "X-Own: yes"
error-page[] = 404 /404.html
`;

beforeAll(async () => {
  cluster = await Cluster.up({ dir: await mkdtemp(join(tmpdir(), 'gfserve-compress-')), nodes: 1 });
  await cluster.createVolume('site');
  const volume = await cluster.mount('site');
  htdocs = join(volume, 'htdocs');
  await mkdir(join(htdocs, 'dir'), { recursive: true });
  await mkdir(join(htdocs, 'many'));
  const files: Record<string, string | Buffer> = {
    'app.js': APP,
    'both.js': APP,
    'both.js.gz': gzipSync(APP),
    'raw.js': APP,
    'change.js': APP,
    'big.txt': BIG,
    'left.txt': BIG,
    'larger.txt': Buffer.concat([BIG, BIG]),
    'data.json': DATA,
    'small.txt': 'small\n',
    'empty.txt': '',
    'noise.txt': randomBytes(20_000),
    'photo.png': Buffer.alloc(5000),
    'log.txt.gz': gzipSync(APP),
    '404.html': `<h1>not here</h1>${' '.repeat(2000)}`,
    'dir/index.html': `<h1>index</h1>${'<p>text</p>'.repeat(200)}`,
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(htdocs, name), content);
  for (let i = 0; i < MANY; i++) await writeFile(join(htdocs, 'many', `${i}.txt`), many(i));
  await utimes(join(htdocs, 'app.js'), CHANGED, CHANGED);
  const mount = (name: string, path: string, more: string): string => `
[mount ${name}]
path = ${path}
volume = site
root = /htdocs
${more}
`;
  const config = (cache: string): string => `
[cache]
size = 64M
max-object = 4M
${cache}
[volume site]
servers = ${cluster.addresses.join(', ')}
${mount('main', '/', RULES)}
${mount('pre', '/pre', 'compress = br, gzip\nprecompressed = gzip')}
${mount('gzip', '/gzip', 'compress = gzip, br\ncompress-types = */*\ncompress-min-size = 1')}
${mount('plain', '/plain', '')}
`;
  const trusted = 'trusted-proxies = 127.0.0.1/32';
  const always = 'valid = 0\nnegative = 0\nstale-if-error = 0';
  server = await Gfserve.start({ server: trusted, config: config(always) });
  lasting = await Gfserve.start({ server: trusted, config: config('valid = 1h') });
}, 240_000);

afterAll(async () => {
  await server?.stop();
  await lasting?.stop();
  await cluster?.down();
}, 240_000);

const ask = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
  get(server.port, path, { headers, method });

function unpacked({ headers, body }: Answer): Buffer {
  switch (headers['content-encoding']) {
    case 'br':
      return brotliDecompressSync(body);
    case 'gzip':
      return gunzipSync(body);
    case undefined:
      return body;
    default:
      throw new Error(`not asked for: ${headers['content-encoding']}`);
  }
}

/** Its encoding, and whether it stands for these bytes with all that belongs to it. */
function expectFile(answer: Answer, content: Buffer, encoding: string | undefined): void {
  const { status, headers, body, complete } = answer;
  expect([status, headers['content-encoding'], complete]).toEqual([200, encoding, true]);
  expect(headers['content-length']).toBe(String(body.length));
  expect(headers.vary).toBe('Accept-Encoding');
  expect(headers['accept-ranges']).toBe(encoding === undefined ? 'bytes' : undefined);
  expect(unpacked(answer).equals(content)).toBe(true);
}

const compressed = async (of: Gfserve): Promise<number> =>
  (await of.worker()).cache?.compressed ?? 0;

describe('what the client takes', () => {
  test.each([
    ['/app.js', 'br, gzip', 'br'],
    ['/app.js', 'gzip, deflate', 'gzip'],
    ['/app.js', 'x-gzip', 'gzip'],
    ['/app.js', 'br;q=0.5, gzip', 'gzip'],
    ['/app.js', '*', 'br'],
    ['/app.js', '*, br;q=0', 'gzip'],
    ['/app.js', 'identity, br;q=0.5', undefined],
    ['/app.js', 'zstd, deflate', undefined],
    ['/app.js', 'br;q=0, gzip;q=0, identity;q=0', undefined],
    ['/app.js', '', undefined],
    ['/gzip/app.js', 'br, gzip', 'gzip'],
    ['/gzip/app.js', 'br, gzip;q=0.9', 'br'],
    ['/pre/app.js', 'br, gzip', 'br'],
  ])('%s with Accept-Encoding: %s', async (path, accept, encoding) => {
    const answer = await ask(path, accept === '' ? {} : { 'Accept-Encoding': accept });
    expectFile(answer, APP, encoding);
    expect(answer.headers['content-type']).toMatch(/^text\/javascript/);
  });

  test('a sibling that is there goes before what has to be compressed, unless the client says so', async () => {
    const sibling = await ask('/pre/both.js', { 'Accept-Encoding': 'br, gzip' });
    expect(sibling.headers['content-encoding']).toBe('gzip');
    expect(sibling.body.equals(gzipSync(APP))).toBe(true);
    expect(sibling.headers['accept-ranges']).toBe('bytes');
    expect(sibling.headers.etag).not.toMatch(/-gzip"$/);
    const liked = await ask('/pre/both.js', { 'Accept-Encoding': 'br, gzip;q=0.5' });
    expectFile(liked, APP, 'br');
    // A range is not to be had of what is compressed, but of the sibling it is.
    const range = { 'Accept-Encoding': 'br, gzip;q=0.5', Range: 'bytes=2-9' };
    const part = await ask('/pre/both.js', range);
    expect([part.status, part.headers['content-encoding']]).toEqual([206, 'gzip']);
    expect(part.body.equals(gzipSync(APP).subarray(2, 10))).toBe(true);
  });
});

describe('what is compressed', () => {
  const all = { 'Accept-Encoding': 'br, gzip' };
  test.each([
    ['/big.txt', BIG, 'br'],
    ['/data.json', DATA, 'br'],
    ['/dir/', null, 'br'],
    ['/small.txt', null, undefined],
    ['/empty.txt', Buffer.alloc(0), undefined],
    ['/larger.txt', Buffer.concat([BIG, BIG]), undefined],
    ['/noise.txt', null, undefined],
    ['/photo.png', Buffer.alloc(5000), undefined],
    ['/gzip/photo.png', Buffer.alloc(5000), 'gzip'],
    ['/gzip/empty.txt', Buffer.alloc(0), undefined],
    ['/log.txt.gz', gzipSync(APP), undefined],
    ['/gzip/log.txt.gz', gzipSync(APP), undefined],
    ['/raw.js', APP, undefined],
  ])('%s', async (path, content, encoding) => {
    const plain = await get(server.port, path);
    for (let i = 0; i < 2; i++) expectFile(await ask(path, all), content ?? plain.body, encoding);
  });

  test('errors, their pages, listings and redirects are not; all of them vary', async () => {
    const answers = await Promise.all([
      ask('/missing', all),
      ask('/many/', all),
      ask('/dir', all),
      ask('/app.js', all, 'POST'),
      ask('/app.js', all, 'OPTIONS'),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([404, 200, 301, 405, 204]);
    for (const { headers } of answers) {
      expect(headers['content-encoding']).toBeUndefined();
      expect(headers.vary).toBe('Accept-Encoding');
    }
    const other = await ask('/plain/app.js', all);
    expect([other.headers['content-encoding'], other.headers.vary]).toEqual([undefined, undefined]);
  });

  test('what is not worth it is tried once', async () => {
    await ask('/noise.txt', all);
    const before = await compressed(server);
    for (let i = 0; i < 3; i++) await ask('/noise.txt', all);
    expect(await compressed(server)).toBe(before);
  });
});

describe('headers', () => {
  test('an ETag of its own, all else as for the file', async () => {
    const [plain, br, gzip] = [
      await ask('/app.js'),
      await ask('/app.js', { 'Accept-Encoding': 'br' }),
      await ask('/app.js', { 'Accept-Encoding': 'gzip' }),
    ];
    const tag = plain.headers.etag?.slice(0, -1);
    expect([br.headers.etag, gzip.headers.etag]).toEqual([`${tag}-br"`, `${tag}-gzip"`]);
    for (const { headers } of [plain, br, gzip]) {
      expect(headers).toMatchObject({
        'last-modified': LAST_MODIFIED,
        'content-type': 'text/javascript; charset=utf-8',
        'cache-control': 'max-age=60',
        'x-own': 'yes',
        vary: 'Accept-Encoding',
      });
    }
  });

  test.each(['/app.js', '/head.js', '/big.txt', '/small.txt', '/noise.txt', '/raw.js', '/dir/'])(
    'HEAD has those of GET: %s',
    async (path) => {
      // One that nobody has asked for yet.
      await writeFile(join(htdocs, 'head.js'), APP);
      const accept = { 'Accept-Encoding': 'gzip' };
      const head = await ask(path, accept, 'HEAD');
      const whole = await ask(path, accept);
      expect(head.body).toHaveLength(0);
      const shown = ({ headers }: Answer) => ({ ...headers, date: '', 'cache-status': '' });
      expect(shown(head)).toEqual(shown(whole));
    },
  );
});

describe('preconditions', () => {
  test('are those of the representation that the request would get', async () => {
    const plain = (await ask('/app.js')).headers.etag ?? '';
    const [br, gzip] = ['br', 'gzip'].map((encoding) => `${plain.slice(0, -1)}-${encoding}"`);
    const rows: [accept: string, headers: Record<string, string>, status: number][] = [
      ['br', { 'If-None-Match': br ?? '' }, 304],
      ['br', { 'If-None-Match': `"x", W/${br}` }, 304],
      ['br', { 'If-None-Match': plain }, 200],
      ['br', { 'If-None-Match': gzip ?? '' }, 200],
      ['identity', { 'If-None-Match': br ?? '' }, 200],
      ['identity', { 'If-None-Match': plain }, 304],
      ['br', { 'If-Modified-Since': LAST_MODIFIED }, 304],
      ['br', { 'If-Match': br ?? '' }, 200],
      ['br', { 'If-Match': plain }, 412],
      ['br', { 'If-Match': '*' }, 200],
      ['br', { 'If-Unmodified-Since': LAST_MODIFIED }, 200],
    ];
    for (const method of ['GET', 'HEAD']) {
      for (const [accept, headers, status] of rows) {
        const answer = await ask('/app.js', { 'Accept-Encoding': accept, ...headers }, method);
        expect([accept, headers, answer.status]).toEqual([accept, headers, status]);
        expect(answer.headers.vary).toBe('Accept-Encoding');
        if (status === 304) expect(answer.headers.etag).toBe(accept === 'br' ? br : plain);
      }
    }
  });

  test('who has a variant gets 304 without anything being compressed', async () => {
    await writeFile(join(htdocs, 'had.js'), APP);
    const plain = (await ask('/had.js')).headers.etag ?? '';
    const before = await compressed(server);
    const variant = { 'Accept-Encoding': 'br', 'If-None-Match': `${plain.slice(0, -1)}-br"` };
    const answer = await ask('/had.js', variant);
    expect([answer.status, answer.headers.etag]).toEqual([304, variant['If-None-Match']]);
    expect(await compressed(server)).toBe(before);
  });

  test('what is not worth it has the ETag of the file', async () => {
    await writeFile(join(htdocs, 'other-noise.txt'), randomBytes(9000));
    const etag = (await ask('/other-noise.txt')).headers.etag ?? '';
    for (let i = 0; i < 2; i++) {
      const headers = { 'Accept-Encoding': 'br', 'If-None-Match': etag };
      expect((await ask('/other-noise.txt', headers)).status).toBe(304);
    }
  });
});

describe('ranges', () => {
  const accept = { 'Accept-Encoding': 'br, gzip' };
  test('are those of the file as it is', async () => {
    const plain = (await ask('/app.js')).headers.etag ?? '';
    const one = await ask('/app.js', { ...accept, Range: 'bytes=10-19' });
    expect([
      one.status,
      one.headers['content-encoding'],
      one.headers.etag,
      one.headers.vary,
    ]).toEqual([206, undefined, plain, 'Accept-Encoding']);
    expect(one.headers['content-range']).toBe(`bytes 10-19/${APP.length}`);
    expect(one.body.equals(APP.subarray(10, 20))).toBe(true);
    const beyond = await ask('/app.js', { ...accept, Range: 'bytes=99999-' });
    expect([beyond.status, beyond.headers['content-range']]).toEqual([
      416,
      `bytes */${APP.length}`,
    ]);
    const resumed = await ask('/app.js', { ...accept, Range: 'bytes=10-19', 'If-Range': plain });
    expect([resumed.status, resumed.headers['content-encoding']]).toEqual([206, undefined]);
  });

  test('never of a variant', async () => {
    const variant = (await ask('/app.js', accept)).headers.etag ?? '';
    expect(variant).toMatch(/-br"$/);
    const headers = { ...accept, Range: 'bytes=10-19', 'If-Range': variant };
    expectFile(await ask('/app.js', headers), APP, 'br');
    expectFile(await ask('/app.js', { ...headers, 'Accept-Encoding': 'zstd' }), APP, undefined);
    expectFile(await ask('/app.js', { ...accept, Range: 'lines=1-2' }), APP, 'br');
    const head = await ask('/app.js', { ...accept, Range: 'bytes=0-1' }, 'HEAD');
    expect([head.status, head.headers['content-encoding']]).toEqual([200, 'br']);
  });
});

test('a file that changes is compressed anew', async () => {
  const accept = { 'Accept-Encoding': 'gzip' };
  const first = await ask('/change.js', accept);
  expectFile(first, APP, 'gzip');
  for (const how of ['renamed over', 'written in place']) {
    const content = Buffer.from(`// ${how}\n`.repeat(300));
    if (how === 'renamed over') {
      await writeFile(join(htdocs, 'change.new'), content);
      await rename(join(htdocs, 'change.new'), join(htdocs, 'change.js'));
    } else {
      await writeFile(join(htdocs, 'change.js'), content);
    }
    await until('the new version is there', 5_000, async () => {
      return unpacked(await ask('/change.js', accept)).equals(content);
    });
    const next = await ask('/change.js', { ...accept, 'If-None-Match': first.headers.etag ?? '' });
    expectFile(next, content, 'gzip');
    expect(next.headers.etag).not.toBe(first.headers.etag);
  }
});

describe('what is fresh in the cache', () => {
  // Until then each is looked at once more.
  beforeAll(() => sleep(SETTLING_MS + 500), 30_000);

  const from = (path: string, headers: Record<string, string>): Promise<Answer> =>
    get(lasting.port, path, { headers });

  test('is compressed once for many at once, and then sent from memory', async () => {
    const accept = { 'Accept-Encoding': 'br' };
    const before = await compressed(lasting);
    const all = await Promise.all(Array.from({ length: 50 }, () => from('/big.txt', accept)));
    for (const answer of all) expectFile(answer, BIG, 'br');
    for (let i = 0; i < 20; i++) {
      const answer = await from('/big.txt', accept);
      expectFile(answer, BIG, 'br');
      expect(answer.headers['cache-status']).toMatch(/^gfserve; hit; ttl=\d+$/);
    }
    expect(await compressed(lasting)).toBe(before + 1);
  });

  test('each encoding for whom it is for, 304 too', async () => {
    const plain = (await from('/app.js', {})).headers.etag ?? '';
    const before = await lasting.worker();
    for (let i = 0; i < 3; i++) {
      for (const encoding of ['br', 'gzip', undefined]) {
        const accept: Record<string, string> = encoding ? { 'Accept-Encoding': encoding } : {};
        expectFile(await from('/app.js', accept), APP, encoding);
        const own = encoding ? `${plain.slice(0, -1)}-${encoding}"` : plain;
        const unchanged = await from('/app.js', { ...accept, 'If-None-Match': own });
        expect([unchanged.status, unchanged.headers.etag]).toEqual([304, own]);
        const other = await from('/app.js', { ...accept, 'If-None-Match': '"other"' });
        expectFile(other, APP, encoding);
        const part = await from('/app.js', { ...accept, Range: 'bytes=1-2' });
        expect([part.status, part.headers['content-encoding']]).toEqual([206, undefined]);
      }
    }
    const after = await lasting.worker();
    expect(after.volumes[0]?.cache?.misses).toBe(before.volumes[0]?.cache?.misses);
    expect(after.cache?.compressed).toBe((before.cache?.compressed ?? 0) + 2);
  });

  test('more at once than may wait: all are right, compressed or not', async () => {
    const accept = { 'Accept-Encoding': 'gzip' };
    const numbers = Array.from({ length: MANY }, (_, i) => i);
    const answers = await Promise.all(numbers.map((i) => from(`/many/${i}.txt`, accept)));
    for (const [i, answer] of answers.entries()) {
      expectFile(answer, many(i), answer.headers['content-encoding']);
    }
    // Whoever got it as it is did so as it was not the time; later it is.
    for (const i of numbers) expectFile(await from(`/many/${i}.txt`, accept), many(i), 'gzip');
  });
});

test('clients that go away while they wait leave nothing behind', async () => {
  const leave = (encoding: string, ms: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = net.connect(server.port, '127.0.0.1', () => {
        socket.write(`GET /left.txt HTTP/1.1\r\nHost: x\r\nAccept-Encoding: ${encoding}\r\n\r\n`);
        setTimeout(() => socket.destroy(), ms);
      });
      socket.on('data', () => undefined);
      socket.on('error', reject);
      socket.on('close', () => resolve());
    });
  for (let i = 0; i < 10; i++) {
    await writeFile(join(htdocs, 'left.txt'), Buffer.concat([BIG, Buffer.from(String(i))]));
    await Promise.all([0, 10, 30, 60].flatMap((ms) => [leave('br', ms), leave('gzip', ms)]));
  }
  await until('nothing is under way', 10_000, async () => {
    return (await server.worker()).requests.active === 0;
  });
  const content = Buffer.concat([BIG, Buffer.from('9')]);
  expectFile(await ask('/left.txt', { 'Accept-Encoding': 'br' }), content, 'br');
  await sleep(100);
  const { cache } = await server.worker();
  // Old versions are gone: what is left is what is still to be had.
  expect(cache?.bytes).toBeLessThan(20 * 1024 * 1024);
});

test('nginx passes it on', async () => {
  const nginx = await Nginx.start({ upstream: 'tcp', port: server.port, sockets: cluster.dir });
  try {
    for (const encoding of ['br', 'gzip', undefined]) {
      const headers = encoding ? { 'Accept-Encoding': encoding } : {};
      for (const [path, content] of [['/app.js', APP] as const, ['/big.txt', BIG] as const]) {
        const [through, direct] = [
          await get(nginx.port, path, { headers }),
          await ask(path, headers),
        ];
        expectFile(through, content, encoding);
        expect(through.headers.etag).toBe(direct.headers.etag);
      }
    }
  } finally {
    await nginx.stop();
  }
});
