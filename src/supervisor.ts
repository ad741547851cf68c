import { type AdminServer, startAdmin } from './admin.js';
import type { Config } from './config/types.js';
import { describe, proxyHint } from './describe.js';
import { Ledger } from './observe/ledger.js';
import type { Logger } from './observe/log.js';
import { removePidFile, SUPERVISOR_TITLE, writePidFile } from './pid_file.js';
import { type Problem, preflight } from './preflight.js';
import { readiness } from './readiness.js';
import { metricsPage } from './service_figures.js';
import { WorkerPool } from './worker_pool.js';
import type { RestartTiming } from './worker_slot.js';

export interface SuperviseOptions {
  readonly config: Config;
  readonly log: Logger;
  /** The worker's entry file, absolute. */
  readonly workerFile: string;
  /** gfserve's own, for /status. */
  readonly version: string;
  readonly timing?: RestartTiming;
}

type StopSignal = 'SIGTERM' | 'SIGINT';

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

  const signals = new Signals(log);
  const { pidFile } = config.server;
  const problem = pidFile === null ? null : writePidFile(pidFile);
  if (problem) return refuse([problem], log);
  try {
    return await run(options, signals);
  } finally {
    if (pidFile !== null) removePidFile(pidFile);
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
  const pool = createPool(options, ledger, hopeless.resolve);
  const admin = await openAdmin(options, pool, ledger);
  if (admin && 'code' in admin) return refuse([admin], log);
  announce(config, log);
  pool.start();
  try {
    const cause = await Promise.race([signals.next(), hopeless.promise]);
    if (typeof cause === 'string') return await stop(pool, cause, signals, options);
    for (const reason of cause) log.error(`no worker can start: ${reason}`);
    await pool.drain(0);
    return 1;
  } finally {
    admin?.close();
  }
}

function createPool(
  { config, log, workerFile, timing }: SuperviseOptions,
  ledger: Ledger,
  onHopeless: (reasons: readonly string[]) => void,
): WorkerPool {
  return new WorkerPool({
    config,
    log,
    workerFile,
    ...(timing ? { timing } : {}),
    ledger,
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
  });
}

function announce(config: Config, log: Logger): void {
  for (const warning of config.warnings) log.warn(warning);
  const { volumes, mounts } = describe(config);
  for (const line of [...volumes, ...mounts]) log.info(line);
}

async function openAdmin(
  { config, log, version }: SuperviseOptions,
  pool: WorkerPool,
  ledger: Ledger,
): Promise<AdminServer | Problem | null> {
  const { listen } = config.admin;
  if (!listen) return null;
  const measure = (): Promise<void> => pool.measure();
  const source = {
    isHealthy: () => pool.readyCount > 0,
    readiness: () => readiness(config.volumes, ledger.workers),
    metrics: metricsPage({ config: () => config, ledger, measure, version }),
    status: async () => ({
      version,
      pid: process.pid,
      uptimeMs: Math.round(process.uptime() * 1000),
      restarts: pool.restarts,
      workers: await pool.status(),
    }),
  };
  return await startAdmin(listen, source, log);
}

async function stop(
  pool: WorkerPool,
  signal: StopSignal,
  signals: Signals,
  { config, log }: SuperviseOptions,
): Promise<number> {
  const { drainTimeoutMs } = config.limits;
  const startedMs = performance.now();
  log.info(
    `${signal}: finishing what is under way, for ${drainTimeoutMs / 1000} s at most; the same again stops at once`,
  );
  const result = await Promise.race([pool.drain(drainTimeoutMs), signals.next()]);
  if (typeof result === 'string') {
    pool.kill();
    log.warn(`${result} again: stopped at once, whatever was under way is cut off`);
    return SIGNAL_STATUS[result];
  }
  const { finished, cut, inOrder } = result;
  const took = ((performance.now() - startedMs) / 1000).toFixed(1);
  log.info(`stopped in ${took} s: ${finished} requests finished, ${cut} cut off`);
  return inOrder ? 0 : 1;
}

/** The signals that a supervisor lives with. From its construction on, none of them ends the process by itself. */
class Signals {
  readonly #arrived: StopSignal[] = [];
  #waiter: ((signal: StopSignal) => void) | null = null;
  readonly #handlers: ReadonlyMap<NodeJS.Signals, () => void>;

  constructor(log: Logger) {
    this.#handlers = new Map<NodeJS.Signals, () => void>([
      ['SIGTERM', () => this.#add('SIGTERM')],
      ['SIGINT', () => this.#add('SIGINT')],
      ['SIGHUP', () => log.warn('SIGHUP: reload is not available yet; restart to apply a change')],
      ['SIGPIPE', () => undefined],
    ]);
    for (const [signal, handler] of this.#handlers) process.on(signal, handler);
  }

  /** The next SIGTERM or SIGINT, which may have come already. One caller at a time; a later call replaces an earlier. */
  next(): Promise<StopSignal> {
    const signal = this.#arrived.shift();
    if (signal !== undefined) return Promise.resolve(signal);
    return new Promise((resolve) => {
      this.#waiter = resolve;
    });
  }

  close(): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
  }

  #add(signal: StopSignal): void {
    if (!this.#waiter) {
      this.#arrived.push(signal);
      return;
    }
    this.#waiter(signal);
    this.#waiter = null;
  }
}

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((r) => {
    resolve = r;
  });
  return { promise, resolve };
}
