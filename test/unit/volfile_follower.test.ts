/** Who follows a volume's file, against servers of the test's own: what goes wrong, and what is told when. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { VolfileServer } from '../../src/config/types.js';
import { VolfileFollower } from '../../src/storage/volfile/follower.js';
import { MAX_RECORD } from '../../src/storage/volfile/rpc.js';
import { XdrWriter } from '../../src/storage/volfile/xdr.js';
import { FakeGlusterd, record, refusal, reply, spec, volfile } from '../support/fake_glusterd.js';
import { until } from '../support/gfserve.js';

const TIMES = {
  probeMs: 300,
  answerMs: 200,
  pingMs: 100_000,
  firstRetryMs: 20,
  lastRetryMs: 80,
  settleMs: 60,
  settleAtMostMs: 200,
};

let servers: FakeGlusterd[] = [];
let followers: VolfileFollower[] = [];
let told: string[] = [];
let lost: string[] = [];

beforeEach(() => {
  [servers, followers, told, lost] = [[], [], [], []];
});

afterEach(async () => {
  for (const follower of followers) follower.close();
  await Promise.all(servers.map((server) => server.stop()));
});

async function start(host = '127.0.0.1', port = 0): Promise<FakeGlusterd> {
  const server = await FakeGlusterd.start(host, port);
  servers.push(server);
  return server;
}

async function stop(server: FakeGlusterd): Promise<void> {
  servers = servers.filter((one) => one !== server);
  await server.stop();
}

function follow(addresses: readonly VolfileServer[], times = {}): VolfileFollower {
  const name = (text: string): string => /^volume (\S+)/.exec(text)?.[1] ?? '';
  const follower = new VolfileFollower(
    addresses,
    'site',
    {
      heard: ({ text }) => told.push(`heard ${name(text)}`),
      settled: ({ text }) => told.push(`settled ${name(text)}`),
      lost: (reason) => lost.push(reason),
    },
    { ...TIMES, ...times },
  );
  followers.push(follower);
  return follower;
}

const gives =
  (name: string) =>
  (xid: number): Buffer =>
    reply(xid, spec(volfile(name)));

test('the file comes, with who gave it; asking again asks the same connection', async () => {
  const server = await start();
  const follower = follow([server.address]);
  const expected = {
    ok: true,
    volfile: { text: volfile('first'), server: server.address.text },
  };
  expect(await follower.fetch()).toEqual(expected);
  expect(await follower.fetch()).toEqual(expected);
  expect([server.asked, server.connections]).toEqual([2, 1]);
  expect([told, lost]).toEqual([[], []]);
});

test('a volume that is not there is refused, not unreachable, and the server stays', async () => {
  const server = await start();
  server.answer = (xid) => reply(xid, refusal(2));
  const follower = follow([server.address]);
  const refused = { ok: false, kind: 'refused', server: server.address.text, errno: 2 };
  expect(await follower.fetch()).toEqual(refused);
  server.answer = gives('late');
  expect(await follower.fetch()).toMatchObject({ ok: true });
  expect(server.connections).toBe(1);
});

const BROKEN: readonly (readonly [string, (xid: number) => Buffer | null, string])[] = [
  ['silence', () => null, 'it did not answer within 0.2 s'],
  ['garbage', () => record(Buffer.from('GET / HTTP/1.1\r\n')), 'neither call nor reply'],
  [
    'a record that is too large',
    () => new XdrWriter().words(0x80000000 | (MAX_RECORD + 1)).bytes(),
    `it sent a record of more than ${MAX_RECORD} bytes`,
  ],
  ['no volume file', (xid) => reply(xid, spec('<html>')), 'something else than a volume file'],
  ['a short answer', (xid) => reply(xid, Buffer.alloc(8)), 'an answer that is cut short'],
  [
    'a refusal of the call',
    (xid) => record(new XdrWriter().words(xid, 1, 0, 0, 0, 1).bytes()),
    'it does not have the program',
  ],
];

test.each(BROKEN)(
  '%s is an error with a reason, and the next server is asked',
  async (_what, answer, reason) => {
    const [bad, good] = [await start(), await start()];
    bad.answer = answer;
    const alone = await follow([bad.address]).fetch();
    expect(alone).toMatchObject({ ok: false, kind: 'unreachable' });
    expect(JSON.stringify(alone)).toContain(reason);
    const both = await follow([bad.address, good.address]).fetch();
    expect(both).toMatchObject({ ok: true, volfile: { server: good.address.text } });
    await until('the bad one has no connection left', 1_000, () => bad.connections === 0);
  },
);

test('an answer in single bytes', async () => {
  const server = await start();
  server.answer = (xid) => {
    const bytes = gives('slow')(xid);
    void (async () => {
      for (const byte of bytes) {
        server.send(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
    })();
    return null;
  };
  expect(await follow([server.address], { answerMs: 2_000 }).fetch()).toMatchObject({
    ok: true,
    volfile: { text: volfile('slow') },
  });
});

test('nobody there: all are named with what they did', async () => {
  const gone = await start('127.0.0.1');
  await stop(gone);
  const result = await follow([gone.address]).fetch();
  expect(result).toEqual({
    ok: false,
    kind: 'unreachable',
    reason: `no volfile server is there: ${gone.address.text} refused the connection`,
  });
});

test('an announcement without a change tells nothing; a change is heard at once and settles later', async () => {
  const server = await start();
  const follower = follow([server.address]);
  await follower.fetch();
  server.announce();
  await until('it has asked', 1_000, () => server.asked === 2);
  await sleep(20);
  expect(told).toEqual([]);
  server.answer = gives('second');
  server.announce();
  await until('it is heard', 1_000, () => told.length > 0);
  expect(told).toEqual(['heard second']);
  await until('it has settled', 1_000, () => told.length > 1);
  expect(told).toEqual(['heard second', 'settled second']);
  expect(follower.newest?.text).toBe(volfile('second'));
});

test('a burst settles once; one without an end after a while', async () => {
  const server = await start();
  const follower = follow([server.address], { settleMs: 400, settleAtMostMs: 1_000 });
  await follower.fetch();
  const change = (name: string): void => {
    server.answer = gives(name);
    server.announce();
  };
  for (const name of ['a', 'b', 'c']) {
    change(name);
    await sleep(15);
  }
  await until('it has settled', 5_000, () => told.includes('settled c'));
  expect(told.filter((line) => line.startsWith('settled'))).toEqual(['settled c']);
  told = [];
  for (let i = 0; i < 20; i++) {
    change(`n${i}`);
    await sleep(100);
  }
  const settled = told.filter((line) => line.startsWith('settled')).length;
  expect(settled).toBeGreaterThan(0);
  expect(settled).toBeLessThan(6);
});

test('many announcements at once are few questions', async () => {
  const server = await start();
  await follow([server.address]).fetch();
  for (let i = 0; i < 100; i++) server.announce();
  await sleep(100);
  expect(server.asked).toBeGreaterThan(1);
  expect(server.asked).toBeLessThan(10);
});

test('a server that dies is left for the next one, and what has changed meanwhile is heard', async () => {
  const [first, second] = [await start(), await start()];
  const follower = follow([first.address, second.address]);
  await follower.fetch();
  second.answer = gives('second');
  await stop(first);
  await until('it is heard', 2_000, () => told.includes('settled second'));
  expect(lost).toEqual([`${first.address.text}: it closed the connection`]);
});

test('with all servers dead it keeps what it knows and tries until one is back', async () => {
  const first = await start();
  const { port } = first.address;
  const follower = follow([first.address]);
  await follower.fetch();
  await stop(first);
  await sleep(300);
  expect(follower.newest?.text).toBe(volfile('first'));
  const again = await start('127.0.0.1', port);
  again.answer = gives('second');
  await until('it is heard', 2_000, () => told.includes('settled second'));
});

test('a connection that has died without a word is noticed by a ping', async () => {
  const [first, second] = [await start(), await start()];
  await follow([first.address, second.address], { pingMs: 50 }).fetch();
  await until('it is pinged', 1_000, () => first.pings > 1);
  expect(lost).toEqual([]);
  first.answersPings = false;
  await until('it is left', 2_000, () => lost.length > 0);
  expect(lost[0]).toContain('it did not answer within 0.2 s');
});

test('a server that does not know pings is not left for that', async () => {
  const server = await start();
  await follow([server.address], { pingMs: 50 }).fetch();
  server.answersPings = false;
  const unknown = setInterval(() => {
    // Whatever number the ping has.
    for (let xid = 1; xid < 20; xid++) {
      server.send(record(new XdrWriter().words(xid, 1, 0, 0, 0, 1).bytes()));
    }
  }, 20);
  await sleep(400);
  clearInterval(unknown);
  expect(lost).toEqual([]);
});

test('closed, it is silent and lets go', async () => {
  const server = await start();
  const follower = follow([server.address]);
  await follower.fetch();
  server.answer = gives('second');
  server.announce();
  follower.close();
  await until('its connection is gone', 1_000, () => server.connections === 0);
  await sleep(150);
  expect([told, lost]).toEqual([[], []]);
  expect(await follower.fetch()).toMatchObject({ ok: false, kind: 'unreachable' });
});

test('a server that takes only ports below 1024 gets one', async () => {
  const server = await start();
  server.deniesHighPorts = true;
  const follower = follow([server.address]);
  expect(await follower.fetch()).toMatchObject({ ok: true, volfile: { text: volfile('first') } });
  expect(lost).toEqual([`${server.address.text}: it denied the call`]);
  expect(server.connections).toBe(1);
});
