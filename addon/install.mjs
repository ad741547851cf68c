// Compiles the addon, as npm's install step. What is missing is named as a Debian package to
// install, before the compiler gets a chance to print a page about it.
import { spawnSync } from 'node:child_process';

const succeeds = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

const hasPkgConfig = succeeds('pkg-config', ['--version']);
// Not --exists: that also wants everything that a library requires to be there.
const listed = spawnSync('pkg-config', ['--list-all'], { encoding: 'utf8' }).stdout ?? '';
// Without pkg-config nothing can be said about libraries: they are asked for once that is there.
const hasLibrary = (name) => !hasPkgConfig || new RegExp(`^${name}\\s`, 'm').test(listed);

const needed = [
  {
    name: 'a C++ compiler',
    debian: 'g++',
    ok: () => succeeds(process.env.CXX ?? 'g++', ['--version']),
  },
  { name: 'make', debian: 'make', ok: () => succeeds('make', ['--version']) },
  {
    name: 'Python 3 (node-gyp runs on it)',
    debian: 'python3',
    ok: () => succeeds('python3', ['--version']),
  },
  { name: 'pkg-config', debian: 'pkg-config', ok: () => hasPkgConfig },
  {
    name: "libgfapi's header files",
    debian: 'libglusterfs-dev',
    ok: () => hasLibrary('glusterfs-api'),
  },
  {
    name: "libuuid's, which libglusterfs-dev needs without depending on them",
    debian: 'uuid-dev',
    ok: () => hasLibrary('uuid'),
  },
];

const missing = needed.filter((tool) => !tool.ok());
if (missing.length > 0) {
  console.error('gfserve: the addon that reads GlusterFS volumes cannot be compiled yet.');
  for (const tool of missing)
    console.error(`  missing: ${tool.name} (Debian package ${tool.debian})`);
  console.error(`  install: apt-get install ${missing.map((tool) => tool.debian).join(' ')}`);
  process.exit(1);
}

const build = spawnSync('node-gyp', ['rebuild', '--silent'], {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'pipe'],
});
if (build.error) {
  console.error(
    `gfserve: node-gyp could not be started (${build.error.message}); run this through npm: npm run install`,
  );
  process.exit(1);
}
const output = `${build.stdout}${build.stderr}`;
if (build.status !== 0) {
  console.error(output);
  console.error('gfserve: compiling the addon failed; the compiler said the above.');
  process.exit(1);
}
// A warning is worth seeing even when the build succeeds.
if (/warning:/.test(output)) console.error(output);
