/** The Debian package, as far as it can be judged without installing it; `npm run deb -- --check` does that. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { buildDeb } from '../../packaging/deb/build.js';

const TIMEOUT_MS = 300_000;
const run = promisify(execFile);

let dir: string;
let deb: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gfserve-deb-test-'));
  deb = buildDeb({ to: dir, quick: true });
}, TIMEOUT_MS);

afterAll(() => rm(dir, { recursive: true, force: true }));

test('it has what a service needs, and nothing that only developers do', async () => {
  const { stdout } = await run('dpkg-deb', ['--contents', deb], { maxBuffer: 64 << 20 });
  const files = new Map(
    stdout.split('\n').flatMap((line) => {
      const [mode, owner, , , , path] = line.split(/\s+/);
      return mode && owner && path ? [[path.slice(1), `${mode} ${owner}`] as const] : [];
    }),
  );
  for (const path of ['/usr/bin/gfserve', '/usr/lib/gfserve/bin/node']) {
    expect([path, files.get(path)]).toEqual([path, '-rwxr-xr-x root/root']);
  }
  for (const path of [
    '/etc/gfserve/server.ini',
    '/etc/logrotate.d/gfserve',
    '/lib/systemd/system/gfserve.service',
    '/usr/share/man/man8/gfserve.8.gz',
    '/usr/share/doc/gfserve/copyright',
    '/usr/share/doc/gfserve/changelog.gz',
    '/usr/lib/gfserve/build/Release/gfserve.node',
    '/usr/lib/gfserve/build/Release/gfserve_http.node',
    '/usr/lib/gfserve/build/Release/gfserve_system.node',
  ]) {
    expect([path, files.get(path)]).toEqual([path, '-rw-r--r-- root/root']);
  }
  const paths = [...files.keys()];
  expect(
    paths.filter((path) => /typescript|\/jest|biome|\.map$|\.ts$|\/test\//.test(path)),
  ).toEqual([]);
  expect(paths.filter((path) => /uws_.*\.node$/.test(path))).toHaveLength(1);
});

test(
  'the program in it runs, and takes the configuration in it',
  async () => {
    const root = join(dir, 'root');
    await run('dpkg-deb', ['--extract', deb, root]);
    const program = join(root, 'usr/lib/gfserve');
    const gfserve = (...args: string[]) =>
      run(join(program, 'bin/node'), [join(program, 'dist/src/cli.js'), ...args]);
    expect((await gfserve('--version')).stdout).toMatch(/^gfserve \d+\.\d+\.\d+\n$/);
    const { stdout } = await gfserve('check', '--config', join(root, 'etc/gfserve/server.ini'));
    expect(stdout).toMatch(/is valid\n.*http:\/\/127\.0\.0\.1:8080/);
  },
  TIMEOUT_MS,
);

test(
  'lintian has nothing to say',
  async () => {
    const found = await run('lintian', ['--allow-root', '--fail-on', 'error,warning', deb]).catch(
      (error: { stdout?: string }) => ({ stdout: error.stdout ?? String(error) }),
    );
    expect(found.stdout).toBe('');
  },
  TIMEOUT_MS,
);
