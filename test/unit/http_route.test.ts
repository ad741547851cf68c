import { describe, expect, test } from '@jest/globals';
import type { MountConfig } from '../../src/config/types.js';
import { candidatesFor } from '../../src/http/resolve.js';
import { createRouter } from '../../src/http/route.js';
import type { Storage } from '../../src/storage/storage.js';
import { mountConfig } from '../support/mount_config.js';

const storage: Storage = {
  name: 'v',
  root: () => 0,
  open: () => {
    throw new Error('routing opens nothing');
  },
  watch: () => undefined,
};

const mount = (name: string, path: string, hosts: string[] = []): MountConfig =>
  mountConfig({ name, path, hosts, index: ['index.html', 'index.htm'] });

const match = (mounts: MountConfig[], host: string, path: string): string | null =>
  createRouter(mounts, () => storage).match(host, path)?.name ?? null;

describe('routing', () => {
  const mounts = [
    mount('root', '/'),
    mount('foo', '/foo'),
    mount('deep', '/foo/bar'),
    mount('utf8', '/ü'),
  ];

  test.each([
    ['/', 'root'],
    ['/x', 'root'],
    ['/foo', 'foo'],
    ['/foo/', 'foo'],
    ['/foo/x', 'foo'],
    ['/foobar', 'root'],
    ['/foo/bar', 'deep'],
    ['/foo/bar/x', 'deep'],
    ['/foo/barx', 'foo'],
    [Buffer.from('/ü/x').toString('latin1'), 'utf8'],
  ])('%s → %s', (path, name) => {
    expect(match(mounts, '', path)).toBe(name);
  });

  test('nothing matches without a mount for it', () => {
    expect(match([mount('foo', '/foo')], '', '/bar')).toBeNull();
  });

  test.each([
    ['a.example', 'exact'],
    ['A.EXAMPLE:80', 'exact'],
    ['b.example', 'wild'],
    ['x.y.example', 'wild'],
    ['c.sub.example', 'longer'],
    ['example', 'any'],
    ['', 'any'],
    ['evil-example', 'any'],
  ])('host %s → %s', (host, name) => {
    const hosts = [
      mount('any', '/'),
      mount('wild', '/', ['*.example']),
      mount('longer', '/', ['*.sub.example']),
      mount('exact', '/', ['a.example']),
    ];
    expect(match(hosts, host, '/x')).toBe(name);
  });

  test('the longest path wins over the more specific host', () => {
    const hosts = [mount('host', '/', ['a.example']), mount('path', '/foo')];
    expect(match(hosts, 'a.example', '/foo/x')).toBe('path');
    expect(match(hosts, 'a.example', '/x')).toBe('host');
    expect(match(hosts, 'b.example', '/x')).toBeNull();
  });

  test('the host is only read where a mount cares', () => {
    expect(createRouter([mount('a', '/')], () => storage).needsHost).toBe(false);
    expect(createRouter([mount('a', '/', ['h'])], () => storage).needsHost).toBe(true);
    const redirect = { pattern: '^/', target: 'https://$host$uri', status: 301 } as const;
    const redirects = mountConfig({ redirects: [redirect] });
    expect(createRouter([redirects], () => storage).needsHost).toBe(true);
  });
});

test.each([
  ['/foo/a.txt', ['/a.txt']],
  ['/foo/', ['/index.html', '/index.htm', '/']],
  ['/foo/d/', ['/d/index.html', '/d/index.htm', '/d/']],
  ['/foo', ['']],
])('candidates of %s', (path, candidates) => {
  const found = createRouter([mount('foo', '/foo')], () => storage).match('', path);
  if (!found) throw new Error('no mount');
  const rest = path.slice(found.prefix.length);
  expect(candidatesFor(found, rest, []).paths).toEqual(candidates);
});
