import { setTimeout as sleep } from 'node:timers/promises';
import { loadOrExplain, type Output } from './check.js';
import { errnoOf, oneLine } from './observe/log.js';
import { runningSupervisor } from './pid_file.js';
import {
  type ReloadReport,
  readReport,
  readUpgradeReport,
  type UpgradeReport,
} from './reload_report.js';

const WAIT_MS = 120_000;
const POLL_MS = 50;

/** A running gfserve is asked for it by a signal, and tells by a file beside its pid-file what came of it. */
interface Wish {
  readonly name: 'reload' | 'upgrade';
  readonly signal: 'SIGHUP' | 'SIGUSR2';
  /** Why it is not to be asked for now; null: it is. */
  readonly obstacle: (pidFile: string) => string | null;
  /** The outcome of what began at `askedMs` or later; null: there is none yet. */
  readonly outcome: (pidFile: string, askedMs: number) => ReloadReport | null;
  readonly success: (report: ReloadReport) => string;
}

const RELOAD: Wish = {
  name: 'reload',
  signal: 'SIGHUP',
  obstacle: () => null,
  // One that began before may have read the file before it was changed; another follows it.
  outcome: (pidFile, askedMs) => since(readReport(pidFile), askedMs),
  success: ({ file, durationMs }) => `${file} is served, after ${durationMs} ms`,
};

const UPGRADE: Wish = {
  name: 'upgrade',
  signal: 'SIGUSR2',
  obstacle: (pidFile) => {
    const report = readUpgradeReport(pidFile);
    return report && !isOver(report) ? 'an upgrade is under way already; see the log' : null;
  },
  outcome: (pidFile, askedMs) => {
    const report = since(readUpgradeReport(pidFile), askedMs);
    return report && isOver(report) ? report : null;
  },
  success: (report) => {
    const pid = 'pid' in report ? report.pid : '';
    return `process ${pid} has taken over, after ${report.durationMs} ms`;
  },
};

function since<R extends { startedMs: number }>(report: R | null, askedMs: number): R | null {
  return report && report.startedMs >= askedMs ? report : null;
}

type OverReport = UpgradeReport & Pick<ReloadReport, 'outcome'>;

const isOver = (report: UpgradeReport): report is OverReport => report.outcome !== 'under-way';

/**
 * `gfserve reload`: signals the gfserve that runs, waits until it has read the file and put new workers in place, and says
 * what came of it. Returns the exit status: 0 only where the new configuration is served.
 */
export function reload(
  file: string | null,
  pidFileOption: string | null,
  output: Output,
): Promise<number> {
  return ask(RELOAD, file, pidFileOption, output);
}

/**
 * `gfserve upgrade`: the same, with the program started anew and put in the place of the one that runs. Returns 0 only where
 * that has been done.
 */
export function upgrade(
  file: string | null,
  pidFileOption: string | null,
  output: Output,
): Promise<number> {
  return ask(UPGRADE, file, pidFileOption, output);
}

async function ask(
  wish: Wish,
  file: string | null,
  pidFileOption: string | null,
  output: Output,
): Promise<number> {
  const fail = (message: string): number => {
    output.err(`gfserve: ${oneLine(message)}`);
    return 1;
  };
  const pidFile = pidFileOption ?? (file === null ? null : configuredPidFile(wish, file, output));
  if (pidFile === undefined) return 1;
  if (pidFile === null) {
    return fail(
      `${file} has no [server] pid-file: set one, or send ${wish.signal} to the supervisor`,
    );
  }
  const pid = runningSupervisor(pidFile);
  if (pid === null) return fail(`no gfserve that runs has written ${pidFile}`);
  const obstacle = wish.obstacle(pidFile);
  if (obstacle !== null) return fail(obstacle);
  const askedMs = Date.now();
  try {
    process.kill(pid, wish.signal);
  } catch (e) {
    return fail(
      `process ${pid} cannot be signalled (${errnoOf(e)}): run this as root or as its user`,
    );
  }
  const report = await waitForReport(wish, pidFile, pid, askedMs);
  if (typeof report === 'string') return fail(report);
  return tell(wish, report, output);
}

/** undefined: the file has errors, which were told. */
function configuredPidFile(wish: Wish, file: string, output: Output): string | null | undefined {
  const config = loadOrExplain(file, output);
  if (config) return config.server.pidFile;
  output.err(`gfserve: no ${wish.name}, nothing changed`);
  return undefined;
}

async function waitForReport(
  wish: Wish,
  pidFile: string,
  pid: number,
  askedMs: number,
): Promise<ReloadReport | string> {
  const end = performance.now() + WAIT_MS;
  while (performance.now() < end) {
    // In this order: one that has just taken over is in the pid-file before its predecessor reports it.
    const running = runningSupervisor(pidFile);
    const report = wish.outcome(pidFile, askedMs);
    if (report) return report;
    if (running === null || (running !== pid && wish.name === 'reload')) {
      return `process ${pid} has ended meanwhile; see its log`;
    }
    await sleep(POLL_MS);
  }
  return `process ${pid} has not finished the ${wish.name} after ${WAIT_MS / 1000} s; its log tells how it ends`;
}

function tell(wish: Wish, report: ReloadReport, output: Output): number {
  const { outcome, problems } = report;
  if (outcome === 'applied') {
    output.out(oneLine(wish.success(report)));
    return 0;
  }
  for (const problem of problems) output.err(oneLine(problem));
  output.err(`gfserve: ${outcome === 'refused' ? 'refused' : 'given up'}, nothing changed`);
  return 1;
}
