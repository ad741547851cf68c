/** Whose address the access log of a real gfserve has: a peer's, or what a trusted one says. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Cluster } from '../support/cluster/cluster.js';
import { Gfserve } from '../support/gfserve.js';
import { RawConnection } from '../support/raw.js';

let cluster: Cluster;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gfserve-clients-'));
  cluster = await Cluster.up({ dir: join(dir, 'cluster'), nodes: 1 });
  await cluster.createVolume('site', { bricks: 1 });
  await writeFile(join(await cluster.mount('site'), 'f.txt'), 'content');
}, 240_000);

afterAll(async () => {
  await cluster?.down();
  await rm(dir, { recursive: true, force: true });
}, 240_000);

/** PROXY protocol v2: TCP over IPv4, from `source`. */
function proxy(...source: number[]): Buffer {
  const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
  return Buffer.concat([
    signature,
    Buffer.from([0x21, 0x11, 0, 12, ...source, 127, 0, 0, 1, 0x30, 0x39, 0, 80]),
  ]);
}

const get = (number: number, ...headers: string[]): Buffer =>
  Buffer.from(`GET /f.txt?${number} HTTP/1.1\r\n${['Host: a', ...headers].join('\r\n')}\r\n\r\n`);

/** Each list is the requests of one connection. The addresses in the log, by the order of the requests. */
async function clientsOf(trusted: string, connections: Buffer[][]): Promise<string[]> {
  const file = join(dir, `${trusted.length}.log`);
  const server = await Gfserve.start({
    server: trusted,
    // Most are answered the short way.
    config: `[log]\naccess = ${file}\nformat = json\n[cache]\nvalid = 1m\n
[volume site]\nservers = ${cluster.addresses.join(', ')}\n[mount main]\npath = /\nvolume = site\n`,
  });
  try {
    for (const requests of connections) {
      const connection = new RawConnection(server.port);
      for (const [index, request] of requests.entries()) {
        await connection.send([request]);
        await connection.until(
          () => connection.received.toString().split('content').length === index + 2,
          10_000,
        );
      }
      connection.close();
    }
  } finally {
    await server.stop();
  }
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  return lines
    .map((line) => JSON.parse(line) as { path: string; client: string })
    .sort((a, b) => Number(a.path.slice(7)) - Number(b.path.slice(7)))
    .map(({ client }) => client);
}

const connections = (): Buffer[][] => [
  [get(0), get(1, 'X-Forwarded-For: 192.0.2.1')],
  [get(2, 'X-Forwarded-For: 192.0.2.66, 192.0.2.2, 127.0.0.9'), get(3)],
  [get(4, 'X-Forwarded-For: 192.0.2.66', 'X-Forwarded-For: [2001:DB8::4]:443')],
  [
    Buffer.concat([proxy(192, 0, 2, 5), get(5, 'X-Forwarded-For: 192.0.2.66')]),
    Buffer.concat([proxy(192, 0, 2, 66), get(6)]),
    get(7),
  ],
  [Buffer.concat([proxy(127, 0, 0, 8), get(8, 'X-Forwarded-For: 192.0.2.8')]), get(9)],
];

test('a trusted peer says who is behind it', async () => {
  expect(await clientsOf('trusted-proxies = 127.0.0.0/8', connections())).toEqual([
    '127.0.0.1',
    '192.0.2.1',
    '192.0.2.2',
    '127.0.0.1',
    '2001:db8::4',
    '192.0.2.5',
    '192.0.2.5',
    '192.0.2.5',
    '192.0.2.8',
    '127.0.0.8',
  ]);
}, 240_000);

test('anybody else is who it is', async () => {
  const clients = await clientsOf('trusted-proxies = 10.0.0.0/8', connections());
  expect(clients).toEqual(Array.from({ length: 10 }, () => '127.0.0.1'));
}, 240_000);
