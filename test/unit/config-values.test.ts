import { describe, expect, test } from '@jest/globals';
import { hostPattern, listenAddress, volfileServer } from '../../src/config/addresses.js';
import {
  accessLog,
  account,
  charsetName,
  indexName,
  localPath,
  urlPath,
  volumeName,
  volumePath,
  xlatorOption,
} from '../../src/config/names.js';
import { nearest } from '../../src/config/suggest.js';
import {
  commaList,
  oneOf,
  seconds,
  size,
  time,
  type ValueType,
  whole,
} from '../../src/config/values.js';

type Row = readonly [name: string, type: ValueType<unknown>, text: string, expected: unknown];

const tcp = (host: string, port: number, text: string) => ({ kind: 'tcp', host, port, text });
const server = (host: string, port: number, text: string) => ({
  transport: 'tcp',
  host,
  port,
  text,
});
const long = `/${'s'.repeat(107)}`;

const accepted: readonly Row[] = [
  ['whole', whole(1, 64), '1', 1],
  ['whole', whole(1, 64), '64', 64],
  ['whole', whole(1, 64), '08', 8],
  ['time', time('1ms', '1h'), '1ms', 1],
  ['time', time('1ms', '1h'), '10s', 10_000],
  ['time', time('1ms', '1h'), '2m', 120_000],
  ['time', time('1ms', '1h'), '1h', 3_600_000],
  ['time', time('0', '1h'), '0', 0],
  ['time', time('0', '1h'), '0s', 0],
  ['seconds', seconds('1s', '1013s'), '10s', 10],
  ['seconds', seconds('1s', '1013s'), '2000ms', 2],
  ['seconds', seconds('1s', '1013s'), '2m', 120],
  ['size', size('1', '1G'), '1', 1],
  ['size', size('1', '1G'), '16K', 16_384],
  ['size', size('1', '1G'), '3M', 3_145_728],
  ['size', size('1', '1G'), '1G', 1_073_741_824],
  ['oneOf', oneOf('a', 'b'), 'b', 'b'],
  ['commaList', commaList(whole(1, 9)), '1,2 ,\t3', [1, 2, 3]],
  ['listen', listenAddress, '127.0.0.1:80', tcp('127.0.0.1', 80, '127.0.0.1:80')],
  ['listen', listenAddress, '[::1]:65535', tcp('::1', 65_535, '[::1]:65535')],
  ['listen', listenAddress, ':8080', tcp('', 8080, ':8080')],
  ['listen', listenAddress, 'localhost:1', tcp('localhost', 1, 'localhost:1')],
  ['listen', listenAddress, 'unix:/s-%w', { kind: 'unix', path: '/s-%w', text: 'unix:/s-%w' }],
  ['server', volfileServer, 'a.example', server('a.example', 24_007, 'a.example')],
  ['server', volfileServer, '10.0.0.1:0', server('10.0.0.1', 24_007, '10.0.0.1:0')],
  ['server', volfileServer, '10.0.0.1:24008', server('10.0.0.1', 24_008, '10.0.0.1:24008')],
  ['server', volfileServer, '[fe80::1]', server('fe80::1', 24_007, '[fe80::1]')],
  ['server', volfileServer, 'unix:/s', { transport: 'unix', path: '/s', text: 'unix:/s' }],
  ['host', hostPattern, 'Example.ORG', 'example.org'],
  ['host', hostPattern, '*.Example.org', '*.example.org'],
  ['host', hostPattern, '127.0.0.1', '127.0.0.1'],
  ['host', hostPattern, '[::1]', '[::1]'],
  ['path', urlPath, '/', '/'],
  ['path', urlPath, '/a b/c;d', '/a b/c;d'],
  ['root', volumePath, '/htdocs/.shard', '/htdocs/.shard'],
  ['root', volumePath, '/a%20b', '/a%20b'],
  ['local path', localPath, '/run/x.pid', '/run/x.pid'],
  ['access', accessLog, 'off', { kind: 'off' }],
  ['access', accessLog, 'stdout', { kind: 'stdout' }],
  ['access', accessLog, '/l', { kind: 'file', path: '/l' }],
  ['volname', volumeName, 'a-B_3', 'a-B_3'],
  ['account', account, 'www-data', 'www-data'],
  ['account', account, '1000', '1000'],
  ['index', indexName, 'index.html', 'index.html'],
  ['charset', charsetName, 'utf-8', 'utf-8'],
  ['xlator', xlatorOption, '*-client-*.k=v', { xlator: '*-client-*', key: 'k', value: 'v' }],
  ['xlator', xlatorOption, 'a.b.c=d.e=f', { xlator: 'a.b', key: 'c', value: 'd.e=f' }],
];

const refused: readonly Row[] = [
  ['whole', whole(1, 64), '0', '"0" is not a whole number between 1 and 64'],
  ['whole', whole(1, 64), '65', '"65" is not a whole number between 1 and 64'],
  ['whole', whole(1, 64), '1.5', 'is not a whole number'],
  ['whole', whole(1, 64), '1e1', 'is not a whole number'],
  ['whole', whole(1, 64), '0x8', 'is not a whole number'],
  ['whole', whole(1, 64), '+8', 'is not a whole number'],
  ['whole', whole(1, 64), '٣', 'is not a whole number'],
  ['whole', whole(1, 64), '9'.repeat(400), 'is not a whole number'],
  ['time', time('1ms', '1h'), '10', 'write a whole number and ms, s, m or h, such as 10s'],
  ['time', time('1ms', '1h'), '10 s', 'is not a time: write'],
  ['time', time('1ms', '1h'), '1.5s', 'is not a time: write'],
  ['time', time('1ms', '1h'), '10S', 'is not a time: write'],
  ['time', time('1ms', '1h'), '-1s', 'is not a time: write'],
  ['time', time('1ms', '1h'), '0', '"0" is not a time between 1ms and 1h'],
  ['time', time('1ms', '1h'), '61m', '"61m" is not a time between 1ms and 1h'],
  ['seconds', seconds('1s', '1013s'), '1500ms', '"1500ms" is not in whole seconds'],
  ['seconds', seconds('1s', '1013s'), '10', 'is not a time: write'],
  ['size', size('1K', '1M'), '16k', 'write a whole number and K, M or G'],
  ['size', size('1K', '1M'), '16KB', 'write a whole number and K, M or G'],
  ['size', size('1K', '1M'), '0', '"0" is not a size between 1K and 1M'],
  ['size', size('1K', '1M'), '1G', '"1G" is not a size between 1K and 1M'],
  ['oneOf', oneOf('a', 'b'), 'A', '"A" is not one of a, b'],
  ['commaList', commaList(whole(1, 9)), '1,,2', 'has an empty item between its commas'],
  ['commaList', commaList(whole(1, 9)), '1,', 'has an empty item between its commas'],
  ['commaList', commaList(whole(1, 9)), '1,2,1', '"1" is listed twice'],
  ['commaList', commaList(whole(1, 9)), '1,x', '"x" is not a whole number'],
  ['listen', listenAddress, '127.0.0.1', 'has no port'],
  ['listen', listenAddress, '127.0.0.1:', '"" is not a port from 1 to 65535'],
  ['listen', listenAddress, '127.0.0.1:0', '"0" is not a port from 1 to 65535'],
  ['listen', listenAddress, ':65536', '"65536" is not a port from 1 to 65535'],
  ['listen', listenAddress, '127.0.0.256:80', 'is not host:port'],
  ['listen', listenAddress, '::1:80', 'is not host:port'],
  ['listen', listenAddress, '[::1:80', 'is not host:port'],
  ['listen', listenAddress, '[localhost]:80', 'is not host:port'],
  ['listen', listenAddress, '*:80', 'is not host:port'],
  ['listen', listenAddress, 'http://a:80', 'is not host:port'],
  ['listen', listenAddress, 'unix:run/s', 'is not unix: and an absolute path'],
  ['listen', listenAddress, 'unix:/run/', 'is not unix: and an absolute path'],
  [
    'listen',
    listenAddress,
    `unix:${long}`,
    'is 108 bytes long; the system allows no more than 107',
  ],
  ['server', volfileServer, ':24007', 'is not host, host:port'],
  ['server', volfileServer, 'fe80::1', 'is not host, host:port'],
  ['server', volfileServer, 'a:b', '"b" is not a port from 0 to 65535'],
  ['server', volfileServer, 'a b', 'is not host, host:port'],
  ['host', hostPattern, '*', 'leave the key out to take every host'],
  ['host', hostPattern, 'example.org:80', 'has a port'],
  ['host', hostPattern, '[::1]:80', 'has a port'],
  ['host', hostPattern, 'bücher.example', "write the name's xn-- form"],
  ['host', hostPattern, '*.127.0.0.1', 'is not a host name'],
  ['host', hostPattern, 'a.*.org', 'is not a host name'],
  ['host', hostPattern, 'example.org.', 'is not a host name'],
  ['path', urlPath, 'a', 'does not begin with /'],
  ['path', urlPath, '/a/', 'ends with a slash'],
  ['path', urlPath, '/a//b', 'has two slashes in a row'],
  ['path', urlPath, '/a/../b', 'has a . or .. segment'],
  ['path', urlPath, '/.', 'has a . or .. segment'],
  ['path', urlPath, '/a%20b', 'has a percent-escape'],
  ['path', urlPath, `/${'x'.repeat(256)}`, 'is longer than 255 bytes'],
  ['path', urlPath, '/x'.repeat(2049), 'longer than 4096 bytes'],
  ['root', volumePath, '/.glusterfs', 'GlusterFS keeps for itself'],
  ['root', volumePath, '/.meta/x', 'GlusterFS keeps for itself'],
  ['root', volumePath, '/.trashcan', 'GlusterFS keeps for itself'],
  ['root', volumePath, '/.shard', 'GlusterFS keeps for itself'],
  ['root', volumePath, '/.snaps', 'GlusterFS keeps for itself'],
  ['root', volumePath, '/.landfill', 'GlusterFS keeps for itself'],
  ['root', volumePath, 'htdocs', 'does not begin with /'],
  ['local path', localPath, 'x.pid', 'is not an absolute path'],
  ['local path', localPath, '/run/', 'is a directory'],
  ['access', accessLog, 'stderr', 'is not stdout, off or the absolute path'],
  ['volname', volumeName, 'a.b', 'is not a name that a GlusterFS volume can have'],
  ['account', account, 'a b', 'is not the name or number of an account'],
  ['account', account, 'a:b', 'is not the name or number of an account'],
  ['index', indexName, 'a/b', 'is a path, not a file name'],
  ['index', indexName, '..', 'begins with a dot'],
  ['index', indexName, '.glusterfs', 'begins with a dot'],
  ['index', indexName, 'x'.repeat(256), 'is longer than 255 bytes'],
  ['charset', charsetName, 'utf 8', 'is not the name of a character set'],
  ['charset', charsetName, 'utf-8\r\nX: y', 'is not the name of a character set'],
  ['xlator', xlatorOption, 'ping-timeout=4', 'is not xlator.option=value'],
  ['xlator', xlatorOption, 'a.b', 'is not xlator.option=value'],
  ['xlator', xlatorOption, 'a.b=', 'is not xlator.option=value'],
  ['xlator', xlatorOption, 'a.b = c', 'is not xlator.option=value'],
];

describe('values', () => {
  test.each(accepted)('%s %#: %j', (_, type, text, expected) => {
    expect(type.parse(text)).toEqual({ ok: true, value: expected });
  });

  test.each(refused)('%s %#: refuses %j', (_, type, text, expected) => {
    expect(type.parse(text)).toEqual({
      ok: false,
      message: expect.stringContaining(String(expected)),
    });
  });

  test('a message stays short when the value is not', () => {
    const parsed = whole(1, 64).parse('x'.repeat(10_000));
    expect(parsed.ok ? 0 : parsed.message.length).toBeLessThan(200);
  });
});

describe('nearest', () => {
  const known = ['threads', 'volname', 'log-file', 'log-level', 'path'];
  test.each([
    ['thread', 'threads'],
    ['Threads', 'threads'],
    ['trheads', 'threads'],
    ['log-flie', 'log-file'],
    ['pth', 'path'],
    ['logfile', 'log-file'],
    ['nothing-like-it', null],
    ['', null],
    ['__proto__', null],
  ])('%j is %j', (name, expected) => {
    expect(nearest(name, known)).toBe(expected);
  });
});
