import { workerIds } from './accounts.js';
import type { AdminSource } from './admin.js';
import { AdminPort } from './admin_port.js';
import type { Config, LoadResult } from './config/types.js';
import { describe, proxyHint } from './describe.js';
import { Generations } from './generations.js';
import { Ledger } from './observe/ledger.js';
import type { Logger, RootLogger } from './observe/log.js';
import { makeLogFile } from './observe/log_file.js';
import { discard, isPidFileOurs, SUPERVISOR_TITLE, takePidFile, writePidFile } from './pid_file.js';
import type { Inheritance, Predecessor } from './predecessor.js';
import { type Problem, preflight } from './preflight.js';
import { ownSurroundings, upgradeObstacle } from './program.js';
import { readiness } from './readiness.js';
import { pidFileChange, Reloader } from './reload.js';
import {
  type ReloadReport,
  removeReports,
  writeReport,
  writeUpgradeReport,
} from './reload_report.js';
import { metricsPage } from './service_figures.js';
import { Signals, type StopSignal } from './signals.js';
import { Events } from './status/events.js';
import { ServiceStatus } from './status/service.js';
import type { Command, Successor } from './successor.js';
import { giveUp, takeOver } from './take_over.js';
import { type HandedOver, Upgrader } from './upgrade.js';
import type { PoolOptions } from './worker_pool.js';
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
  /** How the program is started anew, for an upgrade. */
  readonly command: Command;
  /** The gfserve whose place this one is to take. */
  readonly predecessor?: Predecessor | null;
  /**
   * Tells systemd, as sd_notify(3) has it, that another process is the service's main one from now on, and ready: called by the
   * former one, which does not end before it is done. Without it, services of systemd's are not upgraded.
   */
  readonly notify?: (fields: Readonly<Record<string, string>>) => void | Promise<void>;
  readonly timing?: RestartTiming;
  /** How long the workers of a reload or an upgrade may take to be ready. */
  readonly readyMs?: number;
}

/** How often a gfserve that ends tells the other one what it counts. */
const FIGURES_MS = 1000;

/** As a shell reports a process that a signal ended. */
const SIGNAL_STATUS: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 };

/**
 * Serves until it is told to stop, or another gfserve has taken its place. Resolves with the exit status: 0 after an orderly
 * stop, 1 when it can't start or a worker had to be killed, 130 or 143 when a second signal cut the stop short. All workers are
 * gone by then, or killed.
 */
export async function supervise(options: SuperviseOptions): Promise<number> {
  const { config, log, predecessor = null, version } = options;
  process.title = SUPERVISOR_TITLE;
  const inheritance = predecessor && (await predecessor.begin(version));
  if (predecessor && !inheritance) {
    log.error(`upgrade: given up: process ${predecessor.pid} is gone`);
    return 1;
  }
  const problems = await preflight(config, inheritance?.held);
  const changed = inheritance && pidFileChange(inheritance.pidFile, config);
  if (changed) problems.push({ code: 'GFS_CONFIG', message: changed });
  if (problems.length > 0) return await refuse(problems, options);

  const signals = new Signals();
  const { pidFile } = config.server;
  const problem = pidFile === null || inheritance ? null : writePidFile(pidFile);
  if (problem) return await refuse([problem], options);
  try {
    return await run(options, signals, inheritance);
  } finally {
    // Not where it is another gfserve's: one whose place this one was to take, or one that has taken this one's.
    if (pidFile !== null && isPidFileOurs(pidFile)) {
      removeReports(pidFile);
      discard(pidFile);
    }
    signals.close();
  }
}

async function refuse(
  problems: readonly Problem[],
  { log, predecessor }: SuperviseOptions,
): Promise<number> {
  const lines = problems.map(({ code, message }) => `${code}: ${message}`);
  for (const line of lines) log.error(line);
  await predecessor?.failed(lines);
  return 1;
}

async function run(
  options: SuperviseOptions,
  signals: Signals,
  inheritance: Inheritance | null,
): Promise<number> {
  const { config, log, predecessor = null } = options;
  const service = createService(options, inheritance);
  const { generations, admin, ledger, status, upgrader, hopeless } = service;
  if (predecessor) {
    predecessor.onMetrics = (samples) => ledger.formerHeard(samples);
    void predecessor.gone.then(() => ledger.formerEnded());
  }
  const problem = await admin.open(config, inheritance?.admin);
  if (problem) return await refuse([problem], options);
  announce(config, log);
  generations.start();
  status.start();
  const signal = signals.next();
  try {
    if (predecessor && inheritance) {
      const { ready } = service;
      const parts = { predecessor, config, generations, admin };
      const reasons = await takeOver({ ...parts, ready, hopeless, signal });
      inheritance.close();
      if (reasons) {
        await giveUp(reasons, parts, inheritance, log);
        return 1;
      }
      const story = `upgrade: process ${process.pid} serves in the place of ${predecessor.pid}`;
      log.info(story);
      service.events.add('upgrade', 'good', story);
    }
    handleSignals(options, service, signals);
    const cause = await Promise.race([
      signal,
      hopeless,
      upgrader.done,
      ...(predecessor ? [predecessor.stopped.then((): StopSignal => 'SIGTERM')] : []),
    ]);
    if (typeof cause === 'string') return await stop(service, options, cause, signals);
    if ('successor' in cause) return await leave(service, options, cause, signals, signal);
    for (const reason of cause) log.error(`no worker can start: ${reason}`);
    await generations.drain(0);
    return 1;
  } finally {
    status.close();
    admin.close();
  }
}

interface Service {
  readonly ledger: Ledger;
  readonly events: Events;
  readonly status: ServiceStatus;
  readonly generations: Generations;
  readonly admin: AdminPort;
  readonly reloader: Reloader;
  readonly upgrader: Upgrader;
  /** Resolves when all workers of the start are ready. */
  readonly ready: Promise<void>;
  /** Resolves when none of them can be, with the reasons. */
  readonly hopeless: Promise<readonly string[]>;
}

function createService(options: SuperviseOptions, inheritance: Inheritance | null): Service {
  const hopeless = deferred<readonly string[]>();
  const ready = deferred<void>();
  const ledger = new Ledger();
  const events = new Events();
  const callbacks = { onHopeless: hopeless.resolve, onReady: () => ready.resolve() };
  const generations = createGenerations(options, { ledger, events }, callbacks, inheritance);
  const status = new ServiceStatus({ config: () => generations.config, ledger, events });
  const parts = { ledger, events, generations, status };
  const [settled, failed] = [ready.promise, hopeless.promise];
  return { ...parts, ...createReload(options, parts), ready: settled, hopeless: failed };
}

function handleSignals(options: SuperviseOptions, service: Service, signals: Signals): void {
  const { log, predecessor } = options;
  const { generations, reloader, upgrader } = service;
  // Came during an upgrade: the new gfserve may have read the file and opened the log before they were changed.
  const late = new Set<NodeJS.Signals>();
  let successor: Successor | null = null;
  void upgrader.done.then((handedOver) => {
    successor = handedOver.successor;
    for (const each of late) successor.signal(each);
  });
  signals.handle({
    reload: () => {
      if (successor) successor.signal('SIGHUP');
      else if (!upgrader.isRunning) void reloader.request();
      else {
        late.add('SIGHUP');
        log.info('SIGHUP: a reload will follow the upgrade');
      }
    },
    reopenLogs: () => {
      reopenLogs(generations, log);
      predecessor?.reopenLogs();
      if (upgrader.isRunning) late.add('SIGUSR1');
    },
    upgrade: () => {
      void upgrader.request().then((isRunning) => {
        if (isRunning || successor) return;
        const isReloadWanted = late.has('SIGHUP');
        late.clear();
        if (isReloadWanted) void reloader.request();
      });
    },
  });
}

function createGenerations(
  options: SuperviseOptions,
  parts: Pick<Service, 'ledger' | 'events'>,
  callbacks: Pick<PoolOptions, 'onHopeless' | 'onReady'>,
  inheritance: Inheritance | null,
): Generations {
  const { config, log } = options;
  return new Generations(
    config,
    { ...options, ...parts },
    {
      onHopeless: callbacks.onHopeless,
      onListening: () => {
        for (const line of describe(config).listeners) log.info(`listening on ${line}`);
      },
      onReady: () => {
        const { workers } = config.server;
        const ms = Math.round(process.uptime() * 1000);
        log.info(`ready: ${workers} ${workers === 1 ? 'worker' : 'workers'} in ${ms} ms`);
        const hint = proxyHint(config);
        if (hint !== null) log.info(hint);
        callbacks.onReady();
      },
    },
    inheritance,
  );
}

/** The admin listener shows what the others do, of whom the reloader moves it, and the upgrader hands it on. */
function createReload(
  options: SuperviseOptions,
  {
    ledger,
    events,
    generations,
    status,
  }: Pick<Service, 'ledger' | 'events' | 'generations' | 'status'>,
): Pick<Service, 'admin' | 'reloader' | 'upgrader'> {
  const { log, load, version, predecessor = null } = options;
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
        events.add('reload', report.outcome === 'applied' ? 'good' : 'bad', reloadStory(report));
        const { pidFile } = generations.config.server;
        if (pidFile !== null) writeReport(pidFile, report);
      },
    },
    log,
  );
  const source: AdminSource = {
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
      upgrades: upgrader.status,
      predecessor: predecessor && !predecessor.isGone ? predecessor.pid : null,
      ...(await generations.status()),
      ...status.report(),
    }),
  };
  const admin = new AdminPort(source, log);
  const upgrader: Upgrader = createUpgrader(options, {
    ledger,
    events,
    generations,
    admin,
    reloader,
  });
  return { admin, reloader, upgrader };
}

function reloadStory({ outcome, durationMs, problems: [first, ...others] }: ReloadReport): string {
  if (outcome === 'applied') return `reload: done in ${durationMs} ms`;
  const more = others.length === 0 ? '' : `, and ${others.length} more`;
  return `reload: ${outcome === 'refused' ? 'refused' : 'given up'}, nothing changed: ${first}${more}`;
}

function createUpgrader(
  { log, command, notify, readyMs }: SuperviseOptions,
  {
    ledger,
    events,
    generations,
    admin,
    reloader,
  }: Pick<Service, 'ledger' | 'events' | 'generations' | 'admin' | 'reloader'>,
): Upgrader {
  return new Upgrader({
    log,
    command,
    config: () => generations.config,
    obstacle: () => upgradeObstacle(ownSurroundings(notify !== undefined)),
    isReloading: () => reloader.isRunning,
    isComplete: () => generations.isComplete,
    sockets: () => generations.sockets(),
    admin: () => admin.socket,
    samples: async () => {
      await generations.measure();
      return ledger.samples();
    },
    share: (withAnother) => generations.share(withAnother),
    report: (report) => {
      if (report.outcome !== 'under-way' && report.outcome !== 'applied') {
        events.add('upgrade', 'bad', `upgrade: given up: ${report.problems[0] ?? 'see the log'}`);
      }
      const { pidFile } = generations.config.server;
      if (pidFile === null) return;
      // The other one may have been about to take over.
      if (report.outcome !== 'applied') takePidFile(pidFile);
      writeUpgradeReport(pidFile, report);
    },
    ...(readyMs === undefined ? {} : { readyMs }),
  });
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
  { generations, upgrader }: Service,
  { log, predecessor = null }: SuperviseOptions,
  signal: StopSignal,
  signals: Signals,
): Promise<number> {
  const { drainTimeoutMs } = generations.config.limits;
  const startedMs = performance.now();
  log.info(
    `${signal}: finishing what is under way, for ${drainTimeoutMs / 1000} s at most; the same again stops at once`,
  );
  predecessor?.stop(false);
  const end = Promise.all([
    generations.drain(drainTimeoutMs),
    upgrader.abandon(),
    predecessor?.gone,
  ]).then(([result]) => result);
  const result = await Promise.race([end, signals.next()]);
  if (typeof result === 'string') {
    upgrader.kill();
    predecessor?.stop(true);
    generations.kill();
    log.warn(`${result} again: stopped at once, whatever was under way is cut off`);
    return SIGNAL_STATUS[result];
  }
  const { finished, cut, inOrder } = result;
  log.info(
    `stopped in ${secondsSince(startedMs)} s: ${finished} requests finished, ${cut} cut off`,
  );
  return inOrder ? 0 : 1;
}

/** Another gfserve has taken over: what is under way here is finished, and told to it what was counted. */
async function leave(
  { generations, admin, ledger }: Service,
  { log, notify = () => undefined, predecessor = null }: SuperviseOptions,
  { successor, paths }: HandedOver,
  signals: Signals,
  signal: Promise<StopSignal>,
): Promise<number> {
  const startedMs = performance.now();
  const { drainTimeoutMs } = generations.config.limits;
  admin.leave(paths);
  const gone = generations.leave(paths);
  // The call to systemd: from now on it watches over the other process, and may see this one end.
  await notify({ MAINPID: String(successor.pid), READY: '1' });
  const tell = (): Promise<void> => successor.tell({ type: 'metrics', samples: ledger.samples() });
  const timer = setInterval(() => void tell(), FIGURES_MS);
  const hasten = (): void => {
    predecessor?.stop(false);
    void generations.drain(drainTimeoutMs);
  };
  let status: number | null = null;
  const killed = new Promise<void>((resolve) => {
    const kill = (code: number): void => {
      status = code;
      predecessor?.stop(true);
      generations.kill();
      resolve();
    };
    successor.onStop = (atOnce) => (atOnce ? kill(SIGNAL_STATUS.SIGTERM) : hasten());
    void signal.then(async (first) => {
      log.info(`${first}: finishing what is under way; the same again stops at once`);
      hasten();
      kill(SIGNAL_STATUS[await signals.next()]);
    });
  });
  await Promise.race([Promise.all([gone, predecessor?.gone]), killed]);
  clearInterval(timer);
  if (status !== null) return status;
  const { finished, cut } = await gone;
  await tell();
  log.info(
    `upgrade: process ${process.pid} is done after ${secondsSince(startedMs)} s: ${finished} requests finished, ${cut} cut off`,
  );
  return 0;
}

const secondsSince = (startedMs: number): string =>
  ((performance.now() - startedMs) / 1000).toFixed(1);

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((r) => {
    resolve = r;
  });
  return { promise, resolve };
}
