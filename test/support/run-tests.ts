/**
 * `npm test`: lint, then jest over dist/test, each folder in a process of its own: a crash
 * in native code costs one folder's results, not all. Words on the command line choose test files by
 * path; options go to jest (`-t NAME`). The last line is always `N passed, N failed, N skipped`.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { Cluster } from './cluster/cluster.js';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const TESTS = join(ROOT, 'dist', 'test');
/** The quick ones first; folders that are not named here come after these, each by itself. */
const ORDER = [['unit'], ['native', 'integration'], ['by itself'], ['fault']];
/** Files that compare how long something takes, which must not run beside others. */
const BY_ITSELF = ['limits.test.js'];
/** How many test files of a folder run at once, where it is not one. They mostly wait, for timeouts and for GlusterFS. */
const FILES_AT_ONCE: Readonly<Record<string, number>> = {
  unit: 2,
  integration: 2,
  fault: 2,
};
/** How long jest may take to exit after its results are written, in milliseconds. */
const EXIT_GRACE_MS = 15_000;
const SLOW_SECONDS = 5;
const MOST_SLOW = 12;

/** ES modules in jest need a flag, of which Node warns unless told not to, which early 20.x can't be. */
const QUIET = process.allowedNodeEnvironmentFlags.has('--disable-warning')
  ? ['--disable-warning=ExperimentalWarning']
  : [];
const JEST_NODE_OPTIONS = ['--experimental-vm-modules', '--enable-source-maps', ...QUIET].join(' ');

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** The process groups that run now; ours to end when we are interrupted. */
const running = new Set<number>();
/** What failed so far, a line each. */
const failedTests: string[] = [];
let interrupted: NodeJS.Signals | null = null;

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // The group is gone.
  }
}

/**
 * Runs a program in a process group of its own, and ends with it what it leaves behind.
 * @param isDone polled; once true, the program has `EXIT_GRACE_MS` to exit
 * @returns its exit status, 128 + n after signal n, null when it had to be killed after being done
 */
function runGroup(
  args: readonly string[],
  nodeOptions: string,
  isDone: () => boolean = () => false,
): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
      env: { ...process.env, NODE_OPTIONS: nodeOptions },
    });
    const group = child.pid ?? null;
    if (group !== null) running.add(group);
    let doneSince: number | null = null;
    let late = false;
    const watch = setInterval(() => {
      if (isDone()) doneSince ??= Date.now();
      if (doneSince === null || Date.now() - doneSince < EXIT_GRACE_MS) return;
      late = true;
      child.kill('SIGKILL');
    }, 500);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      clearInterval(watch);
      if (group !== null) {
        running.delete(group);
        signalGroup(group, 'SIGKILL');
      }
      const status = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
      resolve(late ? null : status);
    });
  });
}

async function lint(): Promise<Counts> {
  say('lint: biome check .');
  const biome = join(ROOT, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');
  const status = await runGroup([biome, 'check', '.'], '');
  return status === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

/** What jest's --json says, as far as it matters here. */
interface JestResults {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  numRuntimeErrorTestSuites: number;
  testResults: {
    name: string;
    /** What kept the whole file from running, else ''. */
    message: string;
    assertionResults: {
      fullName: string;
      status: string;
      /** Milliseconds. */
      duration?: number | null;
      failureMessages: string[];
    }[];
  }[];
}

/** What is worth making quicker, as `npm test` is to take less than 20 minutes. */
function saySlowest({ testResults }: JestResults): void {
  const all = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ fullName, duration }) => ({
      text: `${basename(name, '.test.js')} › ${fullName}`,
      seconds: Math.round((duration ?? 0) / 1_000),
    })),
  );
  const slow = all.filter(({ seconds }) => seconds >= SLOW_SECONDS);
  slow.sort((a, b) => b.seconds - a.seconds);
  for (const { text, seconds } of slow.slice(0, MOST_SLOW)) say(`slow: ${seconds} s  ${text}`);
}

/** A line each for what failed: said once more at the end, as folders lie between. */
function failures({ testResults }: JestResults): string[] {
  return testResults.flatMap(({ name, message, assertionResults }) => {
    const file = basename(name, '.test.js');
    if (assertionResults.length === 0 && message !== '') return [`${file}: ${firstLine(message)}`];
    return assertionResults
      .filter(({ status }) => status === 'failed')
      .map(
        ({ fullName, failureMessages: [why = ''] }) => `${file} › ${fullName}: ${firstLine(why)}`,
      );
  });
}

const firstLine = (text: string): string =>
  stripVTControlCharacters(text).trim().split('\n', 1)[0] ?? '';

async function jest(
  folder: string,
  paths: readonly string[],
  options: readonly string[],
): Promise<Counts> {
  const dir = await mkdtemp(join(tmpdir(), 'gfserve-jest-'));
  const output = join(dir, 'results.json');
  try {
    const bin = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
    const report = ['--json', `--outputFile=${output}`];
    const atOnce = Math.min(paths.length, FILES_AT_ONCE[folder] ?? 1);
    const workers = atOnce === 1 ? '--runInBand' : `--maxWorkers=${atOnce}`;
    const status = await runGroup(
      [bin, workers, ...report, ...options, '--runTestsByPath', ...paths],
      JEST_NODE_OPTIONS,
      () => existsSync(output),
    );
    const text = await readFile(output, 'utf8').catch(() => null);
    const results = text === null ? null : (JSON.parse(text) as JestResults);
    if (results !== null) saySlowest(results);
    if (results !== null) failedTests.push(...failures(results));
    return count(status, results);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Counts a folder's results; whatever went wrong beside a test's failure counts as one more. */
function count(status: number | null, results: JestResults | null): Counts {
  if (results === null) {
    say(`jest ended without results (exit status ${status ?? 'none'})`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
  if (status === null) say(`jest did not exit: something is left open`);
  else if (status !== 0 && failed === 0) say(`jest ended with exit status ${status}`);
  const unexplained = status === null || (status !== 0 && failed === 0) ? 1 : 0;
  return {
    passed: results.numPassedTests,
    failed: failed + unexplained,
    skipped: results.numPendingTests + results.numTodoTests,
  };
}

/** The compiled test files that match all words, by folder; the folders that run beside each other, in the order they run. */
async function testFolders(words: readonly string[]): Promise<[string, string[]][][]> {
  const files = (await readdir(TESTS, { recursive: true })).filter(
    (path) => path.endsWith('.test.js') && words.every((word) => path.includes(word)),
  );
  const folders = new Map<string, string[]>();
  for (const file of files.sort()) {
    const [first = ''] = file.split('/');
    const folder = BY_ITSELF.includes(basename(file)) ? 'by itself' : first;
    folders.set(folder, [...(folders.get(folder) ?? []), join(TESTS, file)]);
  }
  const named = ORDER.flat();
  const others = [...folders.keys()].filter((folder) => !named.includes(folder));
  return [...ORDER, ...others.map((folder) => [folder])]
    .map((names) => names.map((name): [string, string[]] => [name, folders.get(name) ?? []]))
    .map((group) => group.filter(([, paths]) => paths.length > 0))
    .filter((group) => group.length > 0);
}

async function cleanClusters(): Promise<void> {
  for (const dir of await Cluster.cleanStale()) say(`cleaned a cluster that was left in ${dir}`);
}

/** Splits the command line: words that choose files, and options for jest with their values. */
function parse(argv: readonly string[]): { words: string[]; options: string[] } {
  const first = argv.findIndex((arg) => arg.startsWith('-'));
  const split = first < 0 ? argv.length : first;
  const words = argv.slice(0, split).map((word) => word.replace(/\.ts$/, '.js'));
  return { words: words.map((word) => word.replace(/^test\//, '')), options: argv.slice(split) };
}

async function main(argv: readonly string[]): Promise<number> {
  const { words, options } = parse(argv);
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const add = (counts: Counts): void => {
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  };
  if (argv.length === 0) add(await lint());
  for (const group of await testFolders(words)) {
    if (interrupted !== null) break;
    const runs = group.map(([folder, paths]) => {
      say(`\n${folder}: ${paths.length} test ${paths.length === 1 ? 'file' : 'files'}`);
      return jest(folder, paths, options);
    });
    for (const counts of await Promise.all(runs)) add(counts);
    await cleanClusters();
  }
  await cleanClusters();
  if (interrupted !== null) say(`interrupted by ${interrupted}`);
  else if (total.passed + total.failed === 0) say('no tests ran');
  for (const line of failedTests) say(`failed: ${line}`);
  say(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  if (interrupted !== null) return 128 + constants.signals[interrupted];
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // The second one doesn't wait for the first one's politeness.
    const how = interrupted === null ? signal : 'SIGKILL';
    interrupted = signal;
    for (const group of running) signalGroup(group, how);
  });
}

process.exitCode = await main(process.argv.slice(2));
