/** Whose word counts: addresses, X-Forwarded-For, and connections that are remembered. */

import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { isIP } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addressOf, clientBehind, readAddress } from '../../src/http/addresses.js';
import { Clients } from '../../src/http/clients.js';
import { askFields } from '../../src/http/fields.js';
import { createTrust } from '../../src/http/trust.js';

const bytesOf = (...bytes: number[]): ArrayBuffer => new Uint8Array(bytes).buffer;

test.each([
  [[192, 0, 2, 1], '192.0.2.1'],
  [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa], '2001:db8::a'],
  [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1], '127.0.0.1'],
  [[], ''],
])('the peer %j is %j', (bytes, text) => {
  expect(addressOf(bytesOf(...bytes))).toBe(text);
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['\t192.0.2.1:4711 ', '192.0.2.1'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['[2001:db8::1]', '2001:db8::1'],
  ['[2001:db8::1]:443', '2001:db8::1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['[::ffff:c000:0201]:1', '192.0.2.1'],
  ['::192.0.2.1', '::192.0.2.1'],
  ['192.0.2.256', null],
  ['192.0.2.1:', null],
  ['192.0.2.1:123456', null],
  ['[192.0.2.1]', null],
  ['[2001:db8::1', null],
  ['fe80::1%eth0', null],
  ['unknown', null],
  ['"192.0.2.1"', null],
  ['192.0.2.1 192.0.2.2', null],
])('the item %j is %j', (item, address) => {
  expect(readAddress(item)).toBe(address);
});

const trust = createTrust(['127.0.0.1', '10.0.0.0/8', 'fd00::/8']);

test.each([
  ['203.0.113.9', '1.1.1.1', '203.0.113.9'], // of somebody who is not trusted nothing counts
  ['10.0.0.1', '1.1.1.1', '1.1.1.1'],
  ['10.0.0.1', '6.6.6.6, 1.1.1.1', '1.1.1.1'],
  ['10.0.0.1', '6.6.6.6, 1.1.1.1, 10.0.0.2:80,fd00::1', '1.1.1.1'],
  ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
  ['10.0.0.1', '6.6.6.6, unknown, 10.0.0.2', '10.0.0.2'],
  ['10.0.0.1', 'unknown', '10.0.0.1'],
  ['10.0.0.1', '', '10.0.0.1'],
  ['10.0.0.1', ' ,, 1.1.1.1 ,, ', '1.1.1.1'],
  ['10.0.0.1', `1.1.1.1, ${'10.0.0.2, '.repeat(48)}10.0.0.3`, '1.1.1.1'],
  ['10.0.0.1', `1.1.1.1, ${'10.0.0.2, '.repeat(49)}10.0.0.3`, '10.0.0.2'],
])('%s says %j: the client is %s', (peer, forwardedFor, client) => {
  expect(clientBehind(peer, forwardedFor, trust)).toBe(client);
});

test('whatever stands there, the client is an address, and never one left of the first that is not trusted', () => {
  const item = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.constantFrom('10.1.2.3', 'fd00::2', '127.0.0.1', 'unknown', '', '"', '\n'),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(item), fc.ipV4(), (items, outside) => {
      fc.pre(!trust(outside));
      expect(isIP(clientBehind('127.0.0.1', items.join(','), trust))).toBeGreaterThan(0);
      // What a client says of itself stands left of what the proxy has seen.
      expect(clientBehind('127.0.0.1', [...items, outside].join(', '), trust)).toBe(outside);
    }),
  );
});

/** A connection of uWebSockets.js' kind, by its number, and its next request. */
function ask(
  clients: Clients,
  { socket, peer = [10, 0, 0, 1], proxied = [], headers = [] }: Asked,
): { client: string; calls: number } {
  let calls = 0;
  const counted = (bytes: number[]) => () => {
    calls += 1;
    return bytesOf(...bytes);
  };
  const res = {
    socket,
    getRemoteAddress: counted(peer),
    getProxiedRemoteAddress: counted(proxied),
  } as unknown as HttpResponse;
  const req = {
    getHeader: (name: string) => headers.find(([key]) => key === name)?.[1] ?? '',
    forEach: (each: (key: string, value: string) => void) => {
      for (const [key, value] of headers) each(key, value);
    },
  } as unknown as HttpRequest;
  return { client: clients.of(res, req, askFields(req)), calls };
}

interface Asked {
  readonly socket: number;
  readonly peer?: number[];
  readonly proxied?: number[];
  readonly headers?: readonly (readonly [string, string])[];
}

const socketOf = (res: HttpResponse) => (res as unknown as { socket: number }).socket;
const connection = (socket: number) => ({ socket }) as unknown as HttpResponse;

describe('a connection', () => {
  test('is asked once for its peer, and anew when it is another one', () => {
    const clients = new Clients(socketOf, null);
    expect(ask(clients, { socket: 1 })).toEqual({ client: '10.0.0.1', calls: 1 });
    expect(ask(clients, { socket: 1 })).toEqual({ client: '10.0.0.1', calls: 0 });
    clients.closed(connection(1));
    expect(ask(clients, { socket: 1, peer: [10, 0, 0, 2] })).toEqual({
      client: '10.0.0.2',
      calls: 1,
    });
  });

  test('that can not be told from others is asked each time', () => {
    const clients = new Clients(() => 0, null);
    expect(ask(clients, { socket: 1 }).client).toBe('10.0.0.1');
    expect(ask(clients, { socket: 2, peer: [10, 0, 0, 2] }).client).toBe('10.0.0.2');
  });

  test('has the PROXY address that it began with, whatever its client puts in front of later requests', () => {
    const clients = new Clients(socketOf, trust);
    expect(ask(clients, { socket: 1, proxied: [1, 1, 1, 1] }).client).toBe('1.1.1.1');
    expect(ask(clients, { socket: 1, proxied: [6, 6, 6, 6] }).client).toBe('1.1.1.1');
  });

  test('of somebody who is not trusted can say what it likes', () => {
    const headers = [['x-forwarded-for', '6.6.6.6']] as const;
    const peer = [203, 0, 113, 9];
    const asked = { socket: 1, peer, proxied: [6, 6, 6, 6], headers };
    for (const each of [null, trust]) {
      const clients = new Clients(socketOf, each);
      expect(ask(clients, asked)).toEqual({ client: '203.0.113.9', calls: 1 });
      expect(clients.isTrusted(connection(1))).toBe(false);
    }
  });
});

describe('X-Forwarded-For', () => {
  test('counts with all its lines, as one', () => {
    const headers = [
      ['x-forwarded-for', '6.6.6.6'],
      ['x-other', '7.7.7.7'],
      ['x-forwarded-for', '1.1.1.1'],
    ] as const;
    expect(ask(new Clients(socketOf, trust), { socket: 1, headers }).client).toBe('1.1.1.1');
  });

  test('is gone through from the PROXY address on, if that is a trusted one', () => {
    const clients = new Clients(socketOf, trust);
    const headers = [['x-forwarded-for', '1.1.1.1']] as const;
    expect(ask(clients, { socket: 1, proxied: [10, 9, 9, 9], headers }).client).toBe('1.1.1.1');
    expect(ask(clients, { socket: 2, proxied: [8, 8, 8, 8], headers }).client).toBe('8.8.8.8');
  });

  test('of a unix socket counts where unix: is trusted', () => {
    const headers = [['x-forwarded-for', '1.1.1.1']] as const;
    const asked = { socket: 1, peer: [], headers };
    expect(ask(new Clients(socketOf, trust), asked).client).toBe('');
    const clients = new Clients(socketOf, createTrust(['unix:']));
    expect(ask(clients, asked).client).toBe('1.1.1.1');
    expect(clients.isTrusted(connection(1))).toBe(true);
  });
});
