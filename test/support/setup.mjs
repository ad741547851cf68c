/**
 * Makes ready what a task needs, then runs it: `node test/support/setup.mjs TASK [ARGS...]`.
 * Works straight after `git clone`; where everything is ready it does nothing, and needs no network.
 * Plain JavaScript without dependencies, because it is what installs them.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** uuid-dev: Debian's libglusterfs-dev needs it for its pkg-config file, but doesn't depend on it. */
const BUILD_PACKAGES = ['g++', 'make', 'pkg-config', 'python3', 'libglusterfs-dev', 'uuid-dev'];
const CLUSTER_PACKAGES = ['glusterfs-server', 'glusterfs-client'];

/** What each task needs and runs. All start glusterds, so all run as root. */
const TASKS = {
  demo: {
    packages: [...BUILD_PACKAGES, ...CLUSTER_PACKAGES],
    addon: true,
    script: 'dist/test/support/demo.js',
  },
  test: {
    packages: [
      ...BUILD_PACKAGES,
      ...CLUSTER_PACKAGES,
      ...['attr', 'chromium', 'libuv1-dev', 'nginx-light', 'prometheus', 'systemd', 'lintian'],
    ],
    addon: true,
    script: 'dist/test/support/run-tests.js',
  },
  bench: {
    packages: [
      ...BUILD_PACKAGES,
      ...CLUSTER_PACKAGES,
      ...['wrk', 'nginx-light', 'uwsgi-core', 'uwsgi-plugin-glusterfs'],
    ],
    addon: true,
    script: 'dist/bench/main.js',
  },
  soak: {
    packages: [...BUILD_PACKAGES, ...CLUSTER_PACKAGES],
    addon: true,
    script: 'dist/test/soak/main.js',
  },
  deb: {
    packages: [...BUILD_PACKAGES, ...CLUSTER_PACKAGES, ...['debootstrap', 'lintian']],
    addon: true,
    script: 'dist/packaging/deb/main.js',
  },
  cluster: {
    packages: CLUSTER_PACKAGES,
    addon: false,
    script: 'dist/test/support/cluster/cli.js',
  },
};

const [task = '', ...args] = process.argv.slice(2);

/** Ends the program with a message for its user. */
function fail(message) {
  process.stderr.write(`setup: ${message}\n`);
  // The last line of `npm test` always counts.
  if (task === 'test') process.stdout.write('0 passed, 1 failed, 0 skipped\n');
  process.exit(1);
}

/** Runs one step of the preparation; what it prints is shown only if it fails. */
function step(title, command, args, { quiet = false, optional = false } = {}) {
  if (!quiet) process.stderr.write(`setup: ${title} ...\n`);
  const begin = Date.now();
  const result = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  });
  const seconds = (Date.now() - begin) / 1000;
  if (result.status !== 0 && optional) {
    process.stderr.write(`setup: ${title} failed, going on without\n`);
    return;
  }
  if (result.status !== 0) {
    const why = result.error === undefined ? '' : `${result.error.message}\n`;
    process.stderr.write(`${why}${result.stdout ?? ''}${result.stderr ?? ''}`);
    fail(`${title} failed after ${seconds.toFixed(1)} s`);
  }
  if (!quiet || seconds > 1) process.stderr.write(`setup: ${title}: ${seconds.toFixed(1)} s\n`);
}

const isRoot = process.geteuid() === 0;
const canSudo = () => spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0;

function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20 || major > 22) fail(`Node.js 20 to 22 is needed; this is ${process.version}`);
}

/** glusterd runs only as root; better to say so before building for a minute. */
function checkRoot() {
  if (isRoot || canSudo()) return;
  const words = args.length > 0 ? ` -- ${args.join(' ')}` : '';
  fail(
    `glusterd needs root, and there is no sudo without a password here. Run as root:\n  npm run ${task}${words}`,
  );
}

function installedPackages(names) {
  const query = ['-W', '-f', `\${db:Status-Abbrev} \${Package}\\n`, ...names];
  const result = spawnSync('dpkg-query', query, { encoding: 'utf8' });
  if (result.error !== undefined) return null;
  const lines = result.stdout.split('\n').filter((line) => line.startsWith('ii '));
  return new Set(lines.map((line) => line.split(/\s+/)[1]));
}

/**
 * Installs without starting services: invoke-rc.d asks /usr/sbin/policy-rc.d, where there is one.
 * Package lists are fetched only if the first try fails, as they may be recent enough.
 */
const INSTALL_SCRIPT = `
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\\nexit 101\\n' > "$policy" && chmod 755 "$policy" || exit 1
fi
export DEBIAN_FRONTEND=noninteractive
install() {
  apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"
}
install "$@" || { apt-get update && install "$@"; }
`;

function ensurePackages() {
  const wanted = TASKS[task].packages;
  const installed = installedPackages(wanted);
  if (installed === null) {
    process.stderr.write(`setup: no dpkg here; make sure of: ${wanted.join(' ')}\n`);
    return;
  }
  const missing = wanted.filter((name) => !installed.has(name));
  if (missing.length === 0) return;
  if (!isRoot && !canSudo()) {
    const command = `apt-get install --no-install-recommends ${missing.join(' ')}`;
    fail(`Debian packages are missing. Run as root:\n  ${command}`);
  }
  const command = ['sh', '-c', INSTALL_SCRIPT, 'install', ...missing];
  const [program, ...args] = isRoot ? command : ['sudo', '-n', ...command];
  step(`installing Debian packages ${missing.join(' ')}`, program, args);
}

/** npm notes what it has installed; an interrupted installation has no such note. */
function modulesAreFresh() {
  const read = (path) => JSON.parse(readFileSync(join(ROOT, path), 'utf8')).packages;
  try {
    const installed = read('node_modules/.package-lock.json');
    return Object.entries(read('package-lock.json')).every(([path, { version, optional }]) => {
      if (path === '') return true;
      const there = installed[path];
      return there === undefined ? optional === true : there.version === version;
    });
  } catch {
    return false;
  }
}

function ensureModules() {
  if (modulesAreFresh()) return;
  // Without scripts: ours builds the addon, which is a step of its own, and no other one is needed.
  step('installing npm packages', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
}

function filesUnder(dir) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    return entry.isDirectory() ? filesUnder(path) : [path];
  });
}

function ensureAddon() {
  const description = join(ROOT, 'binding.gyp');
  if (!existsSync(description)) return;
  const built = statSync(join(ROOT, 'build/Release/gfserve.node'), { throwIfNoEntry: false });
  const sources = [description, ...filesUnder(join(ROOT, 'addon'))];
  if (built !== undefined && sources.every((path) => statSync(path).mtimeMs <= built.mtimeMs)) {
    return;
  }
  step('building the addon', 'npm', ['run', '--silent', 'install']);
}

/**
 * Removes from dist what deleted sources left there, or old tests would go on running. Where a
 * compiled file is missing, the compiler's notes go too, because it would trust them.
 */
function tidyDist() {
  const dist = join(ROOT, 'dist');
  const compiled = filesUnder(dist).filter((path) => /\.js(\.map)?$/.test(path));
  for (const path of compiled) {
    const source = join(ROOT, path.slice(dist.length).replace(/\.js(\.map)?$/, '.ts'));
    if (!existsSync(source)) rmSync(path);
  }
  const sources = ['src', 'test', 'bench', 'packaging'].flatMap((name) =>
    filesUnder(join(ROOT, name)),
  );
  const complete = sources
    .filter((path) => /(?<!\.d)\.ts$/.test(path))
    .every((path) => existsSync(join(dist, path.slice(ROOT.length).replace(/\.ts$/, '.js'))));
  if (!complete) rmSync(join(dist, '.tsbuildinfo'), { force: true });
}

/** The compiler knows by itself what has changed; where nothing has, it takes a third of a second. */
function compile() {
  tidyDist();
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  // A mistake elsewhere doesn't matter to the cluster: each file is compiled by itself.
  const optional = task === 'cluster' && existsSync(join(ROOT, TASKS[task].script));
  step('compiling', process.execPath, [compiler, '-p', 'tsconfig.json'], { quiet: true, optional });
}

/** Runs the task in our place: its input, output, signals and exit status are ours. */
function run() {
  const command = [
    process.execPath,
    '--enable-source-maps',
    join(ROOT, TASKS[task].script),
    ...args,
  ];
  const [program, ...rest] = isRoot ? command : ['sudo', '-n', '-E', ...command];
  const child = spawn(program, rest, { stdio: 'inherit' });
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(name, () => {
      // A terminal sends Ctrl-C to the child itself.
      if (name !== 'SIGINT' || !process.stdin.isTTY) child.kill(name);
    });
  }
  if (process.env.npm_lifecycle_event !== undefined) {
    // npm passes signals to a shell that doesn't pass them on: its death is all we see of them.
    const shell = process.ppid;
    const watch = setInterval(() => {
      if (process.ppid === shell) return;
      clearInterval(watch);
      child.kill('SIGTERM');
    }, 200).unref();
  }
  child.on('error', (error) => fail(`can't run ${program}: ${error.message}`));
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? code : 128 + constants.signals[signal];
  });
}

checkNode();
if (!Object.hasOwn(TASKS, task)) {
  process.stderr.write(
    `Usage: node test/support/setup.mjs ${Object.keys(TASKS).join('|')} [ARGS...]\n`,
  );
  process.exit(2);
}
checkRoot();
ensurePackages();
ensureModules();
if (TASKS[task].addon) ensureAddon();
compile();
run();
