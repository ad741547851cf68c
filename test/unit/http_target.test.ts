/** From a path to a file of a mount, through redirects and rewrites. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parsePath } from '../../src/http/path.js';
import { createRouter } from '../../src/http/route.js';
import { findTarget } from '../../src/http/target.js';
import { mountConfig } from '../support/mount_config.js';
import { unaskedStorage } from '../support/test_mount.js';

const rewrite = (pattern: string, target: string) => ({ pattern, target });

const router = createRouter(
  [
    mountConfig({
      name: 'main',
      rewrites: [
        rewrite('^/old/(.*)$', '/new/$1'),
        rewrite('^/elsewhere/(.*)$', '/other/$1'),
        rewrite('^/loop$', '/loop/x'),
        rewrite('^/loop/(.*)$', '/loop/$1x'),
        rewrite('^/up/(.)(.)/(.*)$', '/$1$2/$3'),
      ],
      redirects: [{ pattern: '^/gone/(.*)$', target: 'https://b.example/$1', status: 301 }],
    }),
    mountConfig({
      name: 'other',
      path: '/other',
      rewrites: [rewrite('^/other/back$', '/plain')],
      redirects: [{ pattern: '^/other/gone$', target: '/gone/x', status: 302 }],
    }),
  ],
  () => unaskedStorage,
);

const find = (path: string) => {
  const target = findTarget(router, path, { host: 'a.example', args: '' });
  switch (target.kind) {
    case 'path':
      return [target.mount.name, target.path];
    case 'redirect':
      return [target.mount.name, target.redirect.status, target.redirect.location];
    case 'error':
      return [target.mount?.name ?? null, target.code];
  }
};

describe('paths', () => {
  test.each([
    ['/plain', ['main', '/plain']],
    ['/old/a', ['main', '/new/a']],
    // Routing starts again, on another mount and with its rules.
    ['/elsewhere/a', ['other', '/other/a']],
    ['/elsewhere/back', ['main', '/plain']],
    ['/elsewhere/gone', ['other', 302, '/gone/x']],
    ['/gone/a b', ['main', 301, 'https://b.example/a%20b']],
    ['/loop', ['main', 'GFS_REWRITE_LOOP']],
  ])('%s', (path, found) => {
    expect(find(path)).toEqual(found);
  });

  test('no mount', () => {
    const none = createRouter([mountConfig({ path: '/a' })], () => unaskedStorage);
    expect(findTarget(none, '/b', { host: '', args: '' })).toMatchObject({ code: 'GFS_NO_MOUNT' });
  });
});

/** What a client may put into a request's path, escapes of all kinds included. */
const rawPath = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '/',
        '..',
        '.',
        '%2e',
        '%2E%2e',
        '%2f',
        '%5c',
        '\\',
        '%00',
        '%25',
        '%252e',
        'old',
        'up',
        'é',
        '%ff',
        ';',
        'a',
      ),
      fc.string({ maxLength: 3 }),
    ),
    { maxLength: 14 },
  )
  .map((parts) => `/${parts.join('')}`);

test('whatever the path, what is looked up stays under the root of its mount', () => {
  fc.assert(
    fc.property(rawPath, (raw) => {
      const parsed = parsePath(raw);
      if (!parsed.ok) return;
      const target = findTarget(router, parsed.path, { host: 'a.example', args: '' });
      if (target.kind !== 'path') return;
      const { mount, path } = target;
      expect(path.startsWith(`${mount.prefix}/`) || path === mount.prefix).toBe(true);
      const rest = path.slice(mount.prefix.length);
      let depth = 0;
      for (const segment of rest.split('/').filter((part) => part !== '')) {
        expect(segment).not.toBe('.');
        depth += segment === '..' ? -1 : 1;
        expect(depth).toBeGreaterThan(0);
      }
      expect(rest).not.toMatch(/\0|\/\//);
    }),
    { numRuns: 5000 },
  );
});

test('a path is decoded once', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 20 }), (bytes) => {
      const name = Buffer.from(
        bytes.filter((byte) => byte !== 0 && byte !== 0x2f && byte !== 0x2e),
      );
      const escaped = [...name].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
      // Twice escaped, it is the name with its escapes.
      expect(parsePath(`/${escaped}`)).toEqual({ ok: true, path: `/${name.toString('latin1')}` });
      expect(parsePath(`/${escaped.replaceAll('%', '%25')}`)).toEqual({
        ok: true,
        path: `/${escaped}`,
      });
    }),
  );
});
