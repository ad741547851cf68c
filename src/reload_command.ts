import { setTimeout as sleep } from 'node:timers/promises';
import { loadOrExplain, type Output } from './check.js';
import { errnoOf, oneLine } from './observe/log.js';
import { runningSupervisor } from './pid_file.js';
import { type ReloadReport, readReport } from './reload_report.js';

const WAIT_MS = 120_000;
const POLL_MS = 50;

/**
 * `gfserve reload`: signals the gfserve that runs, waits until it has read the file and put new workers in place, and says
 * what came of it. Returns the exit status: 0 only where the new configuration is served.
 */
export async function reload(
  file: string | null,
  pidFileOption: string | null,
  output: Output,
): Promise<number> {
  const fail = (message: string): number => {
    output.err(`gfserve: ${oneLine(message)}`);
    return 1;
  };
  const pidFile = pidFileOption ?? (file === null ? null : configuredPidFile(file, output));
  if (pidFile === undefined) return 1;
  if (pidFile === null) {
    return fail(`${file} has no [server] pid-file: set one, or send SIGHUP to the supervisor`);
  }
  const pid = runningSupervisor(pidFile);
  if (pid === null) return fail(`no gfserve that runs has written ${pidFile}`);
  const askedMs = Date.now();
  try {
    process.kill(pid, 'SIGHUP');
  } catch (e) {
    return fail(
      `process ${pid} cannot be signalled (${errnoOf(e)}): run this as root or as its user`,
    );
  }
  const report = await waitForReport(pidFile, pid, askedMs);
  if (typeof report === 'string') return fail(report);
  return tell(report, output);
}

/** undefined: the file has errors, which were told. */
function configuredPidFile(file: string, output: Output): string | null | undefined {
  const config = loadOrExplain(file, output);
  if (config) return config.server.pidFile;
  output.err('gfserve: not reloaded');
  return undefined;
}

async function waitForReport(
  pidFile: string,
  pid: number,
  askedMs: number,
): Promise<ReloadReport | string> {
  for (let waited = 0; waited < WAIT_MS; waited += POLL_MS) {
    const report = readReport(pidFile);
    // One that began before may have read the file before it was changed; another follows it.
    if (report && report.startedMs >= askedMs) return report;
    if (runningSupervisor(pidFile) !== pid)
      return `process ${pid} has ended meanwhile; see its log`;
    await sleep(POLL_MS);
  }
  return `process ${pid} has not finished the reload after ${WAIT_MS / 1000} s; its log tells how it ends`;
}

function tell({ file, outcome, durationMs, problems }: ReloadReport, output: Output): number {
  if (outcome === 'applied') {
    output.out(oneLine(`${file} is served, after ${durationMs} ms`));
    return 0;
  }
  for (const problem of problems) output.err(oneLine(problem));
  output.err(`gfserve: ${outcome === 'refused' ? 'refused' : 'given up'}, nothing changed`);
  return 1;
}
