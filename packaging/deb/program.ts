/** The program's files as the package has them, below usr/lib/gfserve: the same layout as in the working copy. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { run } from './run.js';

/** What packages bring that nothing loads: types, maps, sources, texts for people, tests. Licences stay. */
const NEVER_LOADED = new Set([
  '.ts',
  '.mts',
  '.cts',
  '.map',
  '.md',
  '.markdown',
  '.yml',
  '.html',
  '.flow',
]);
const NO_FOLDERS = new Set([
  'test',
  'tests',
  '__tests__',
  'benchmark',
  'benchmarks',
  'bench',
  'docs',
  'examples',
  'example',
  '.github',
  '.vscode',
  'tap-snapshots',
]);
const LICENCE = /^(licen[cs]e|copying|notice)/i;

/** Headers for compiling the addon. */
const ONLY_FOR_BUILDING = 'node_modules/node-addon-api';

interface LockedPackage {
  readonly dev?: boolean;
  readonly version?: string;
  readonly license?: string;
}

export interface Dependency {
  /** `node_modules/NAME`, as in the lock file. */
  readonly path: string;
  readonly version: string;
  readonly license: string;
}

/** What gfserve needs when it runs. */
export function dependencies(root: string): Dependency[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, LockedPackage>>;
  };
  return Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== '' && path !== ONLY_FOR_BUILDING && dev !== true)
    .map(([path, { version = '', license = '' }]) => ({ path, version, license }));
}

/** `to` is usr/lib/gfserve of the package to be. */
export function placeProgram(root: string, to: string): void {
  copyLoaded(join(root, 'dist', 'src'), join(to, 'dist', 'src'));
  for (const { path } of dependencies(root)) copyLoaded(join(root, path), join(to, path));
  pruneWebSockets(join(to, 'node_modules', 'uWebSockets.js'));
  cpSync(join(root, 'package.json'), join(to, 'package.json'));
  for (const name of ['gfserve', 'gfserve_http', 'gfserve_system']) {
    const module = join('build', 'Release', `${name}.node`);
    copyStripped(join(root, module), join(to, module));
  }
  copyStripped(process.execPath, join(to, 'bin', 'node'));
}

function copyLoaded(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, {
    recursive: true,
    // A package's own name may be one of those.
    filter: (path) => path === from || isLoaded(path.slice(from.length + 1)),
  });
}

function isLoaded(path: string): boolean {
  const parts = path.split('/');
  const name = parts.at(-1) ?? '';
  if (parts.some((part) => NO_FOLDERS.has(part) || part === 'node_modules')) return false;
  return LICENCE.test(name) || (!NEVER_LOADED.has(extname(name)) && !name.startsWith('.'));
}

/** It comes compiled for many systems, of which this one, with this Node, is one. */
function pruneWebSockets(folder: string): void {
  const ours = `_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  const modules = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.node'),
  );
  if (!modules.some((path) => path.endsWith(ours)))
    throw new Error(`no uWebSockets.js for ${ours}`);
  for (const path of modules) if (!path.endsWith(ours)) rmSync(join(folder, path));
}

/** Without symbols that only debuggers read: of Node they are 20 MB. */
function copyStripped(from: string, to: string): void {
  if (!existsSync(from)) throw new Error(`${from} is missing: npm run install`);
  mkdirSync(dirname(to), { recursive: true });
  run('strip', ['--strip-unneeded', '--remove-section=.comment', '-o', to, from]);
}
