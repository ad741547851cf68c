import { workerIds } from './accounts.js';
import { AdminPort } from './admin_port.js';
import type { Config, LoadResult } from './config/types.js';
import { describe, proxyHint } from './describe.js';
import { Generations } from './generations.js';
import { Ledger } from './observe/ledger.js';
import type { Logger, RootLogger } from './observe/log.js';
import { makeLogFile } from './observe/log_file.js';
import { removePidFile, SUPERVISOR_TITLE, writePidFile } from './pid_file.js';
import { type Problem, preflight } from './preflight.js';
import { readiness } from './readiness.js';
import { Reloader } from './reload.js';
import { removeReport, writeReport } from './reload_report.js';
import { metricsPage } from './service_figures.js';
import { Signals, type StopSignal } from './signals.js';
import type { RestartTiming } from './worker_slot.js';

export interface SuperviseOptions {
  readonly config: Config;
  /** Reads the configuration's file anew, for a reload. */
  readonly load: () => LoadResult;
  readonly log: RootLogger;
  /** The worker's entry file, absolute. */
  readonly workerFile: string;
  /** gfserve's own, for /status. */
  readonly version: string;
  readonly timing?: RestartTiming;
  /** How long the workers of a reload may take to be ready. */
  readonly readyMs?: number;
}

/** As a shell reports a process that a signal ended. */
const SIGNAL_STATUS: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 };

/**
 * Serves until it is told to stop, and resolves with the exit status: 0 after an orderly stop, 1 when it can't start or
 * a worker had to be killed, 130 or 143 when a second signal cut the stop short. All workers are gone by then, or killed.
 */
export async function supervise(options: SuperviseOptions): Promise<number> {
  const { config, log } = options;
  process.title = SUPERVISOR_TITLE;
  const problems = await preflight(config);
  if (problems.length > 0) return refuse(problems, log);

  const signals = new Signals();
  const { pidFile } = config.server;
  const problem = pidFile === null ? null : writePidFile(pidFile);
  if (problem) return refuse([problem], log);
  try {
    return await run(options, signals);
  } finally {
    if (pidFile !== null) {
      removeReport(pidFile);
      removePidFile(pidFile);
    }
    signals.close();
  }
}

function refuse(problems: readonly Problem[], log: Logger): number {
  for (const { code, message } of problems) log.error(`${code}: ${message}`);
  return 1;
}

async function run(options: SuperviseOptions, signals: Signals): Promise<number> {
  const { config, log } = options;
  const hopeless = deferred<readonly string[]>();
  const ledger = new Ledger();
  const generations = createGenerations(options, ledger, hopeless.resolve);
  const reload = createReload(options, ledger, generations);
  const { admin, reloader } = reload;
  const problem = await admin.open(config);
  if (problem) return refuse([problem], log);
  announce(config, log);
  generations.start();
  signals.handle({
    reload: () => void reloader.request(),
    reopenLogs: () => reopenLogs(generations, log),
  });
  try {
    const cause = await Promise.race([signals.next(), hopeless.promise]);
    if (typeof cause === 'string') return await stop(generations, cause, signals, log);
    for (const reason of cause) log.error(`no worker can start: ${reason}`);
    await generations.drain(0);
    return 1;
  } finally {
    admin.close();
  }
}

function createGenerations(
  options: SuperviseOptions,
  ledger: Ledger,
  onHopeless: (reasons: readonly string[]) => void,
): Generations {
  const { config, log } = options;
  return new Generations(
    config,
    { ...options, ledger },
    {
      onHopeless,
      onListening: () => {
        for (const line of describe(config).listeners) log.info(`listening on ${line}`);
      },
      onReady: () => {
        const { workers } = config.server;
        const ms = Math.round(process.uptime() * 1000);
        log.info(`ready: ${workers} ${workers === 1 ? 'worker' : 'workers'} in ${ms} ms`);
        const hint = proxyHint(config);
        if (hint !== null) log.info(hint);
      },
    },
  );
}

/** The admin listener shows what the reloader does, which moves the admin listener. */
function createReload(
  { log, load, version }: SuperviseOptions,
  ledger: Ledger,
  generations: Generations,
): { readonly admin: AdminPort; readonly reloader: Reloader } {
  const reloader: Reloader = new Reloader(
    {
      config: () => generations.config,
      load,
      prepare: (next) => admin.prepare(next),
      replace: async (next) => {
        announce(next, log);
        const problems = await generations.replace(next);
        if (problems === null) log.setLevel(next.log.level);
        return problems;
      },
      ended: (report) => {
        const { pidFile } = generations.config.server;
        if (pidFile !== null) writeReport(pidFile, report);
      },
    },
    log,
  );
  const source = {
    isHealthy: () => generations.readyCount > 0,
    readiness: () => readiness(generations.config.volumes, ledger.workers),
    metrics: metricsPage({
      config: () => generations.config,
      ledger,
      measure: () => generations.measure(),
      version,
    }),
    status: async () => ({
      version,
      pid: process.pid,
      uptimeMs: Math.round(process.uptime() * 1000),
      restarts: generations.restarts,
      generation: generations.number,
      reloads: reloader.status,
      ...(await generations.status()),
    }),
  };
  const admin = new AdminPort(source, log);
  return { admin, reloader };
}

function announce(config: Config, log: Logger): void {
  for (const warning of config.warnings) log.warn(warning);
  const { volumes, mounts } = describe(config);
  for (const line of [...volumes, ...mounts]) log.info(line);
}

/** For a rotation. What is written to stderr is not gfserve's to reopen. */
function reopenLogs(generations: Generations, log: Logger): void {
  const { server, log: logs } = generations.config;
  log.info('SIGUSR1: the access log is opened anew');
  // Workers that have given up root may write to the file, but not make it.
  if (logs.access.kind === 'file' && server.user !== null && process.geteuid?.() === 0) {
    const { uid, gid } = workerIds(server);
    const errno = makeLogFile(logs.access.path, uid ?? 0, gid ?? 0);
    if (errno !== null) log.error(`the access log ${logs.access.path} cannot be made: ${errno}`);
  }
  generations.reopenLogs();
}

async function stop(
  generations: Generations,
  signal: StopSignal,
  signals: Signals,
  log: Logger,
): Promise<number> {
  const { drainTimeoutMs } = generations.config.limits;
  const startedMs = performance.now();
  log.info(
    `${signal}: finishing what is under way, for ${drainTimeoutMs / 1000} s at most; the same again stops at once`,
  );
  const result = await Promise.race([generations.drain(drainTimeoutMs), signals.next()]);
  if (typeof result === 'string') {
    generations.kill();
    log.warn(`${result} again: stopped at once, whatever was under way is cut off`);
    return SIGNAL_STATUS[result];
  }
  const { finished, cut, inOrder } = result;
  const took = ((performance.now() - startedMs) / 1000).toFixed(1);
  log.info(`stopped in ${took} s: ${finished} requests finished, ${cut} cut off`);
  return inOrder ? 0 : 1;
}

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((r) => {
    resolve = r;
  });
  return { promise, resolve };
}
