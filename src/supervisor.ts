import { workerIds } from './accounts.js';
import type { Config, LoadResult } from './config/types.js';
import type { Generations } from './generations.js';
import type { Logger, RootLogger } from './observe/log.js';
import { makeLogFile } from './observe/log_file.js';
import { discard, isPidFileOurs, SUPERVISOR_TITLE, writePidFile } from './pid_file.js';
import type { Inheritance, Predecessor } from './predecessor.js';
import { type Problem, preflight } from './preflight.js';
import { pidFileChange } from './reload.js';
import { removeReports } from './reload_report.js';
import { announce, createService, type Service } from './service.js';
import { Signals, type StopSignal } from './signals.js';
import type { Command, Successor } from './successor.js';
import { giveUp, takeOver } from './take_over.js';
import type { HandedOver } from './upgrade.js';
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
  const { generations, admin, ledger, status, notices, upgrader, hopeless } = service;
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
      notices.ready();
      // By then it is known whose word counts: what was said before may have been passed over.
      void predecessor.gone.then(() => notices.reloaded());
    }
    handleSignals(options, service, signals);
    const cause = await Promise.race([
      signal,
      hopeless,
      upgrader.done,
      ...(predecessor ? [predecessor.stopped.then((): StopSignal => 'SIGTERM')] : []),
    ]);
    if (typeof cause !== 'string' && 'successor' in cause) {
      return await leave(service, options, cause, signals, signal);
    }
    notices.stopping();
    if (typeof cause === 'string') return await stop(service, options, cause, signals);
    for (const reason of cause) log.error(`no worker can start: ${reason}`);
    await generations.drain(0);
    return 1;
  } finally {
    status.close();
    notices.close();
    admin.close();
  }
}

function handleSignals(options: SuperviseOptions, service: Service, signals: Signals): void {
  const { log, predecessor } = options;
  const { generations, reloader, upgrader } = service;
  // Came during an upgrade: the new gfserve may have read the file and opened the log before they were changed.
  const late = new Set<NodeJS.Signals>();
  let successor: Successor | null = null;
  const reopen = (): void => {
    reopenLogs(generations, log);
    predecessor?.reopenLogs();
  };
  void upgrader.done.then((handedOver) => {
    successor = handedOver.successor;
    successor.onReopenLogs = reopen;
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
      reopen();
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
  { generations, admin, ledger, notices }: Service,
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
  notices.close();
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
