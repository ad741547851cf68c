import type { AdminSource } from './admin.js';
import { AdminPort } from './admin_port.js';
import type { Config } from './config/types.js';
import { describe, proxyHint } from './describe.js';
import { Generations } from './generations.js';
import { Ledger } from './observe/ledger.js';
import type { Logger } from './observe/log.js';
import { takePidFile } from './pid_file.js';
import type { Inheritance } from './predecessor.js';
import { ownSurroundings, upgradeObstacle } from './program.js';
import { readiness } from './readiness.js';
import { Reloader } from './reload.js';
import { type ReloadReport, writeReport, writeUpgradeReport } from './reload_report.js';
import { metricsPage } from './service_figures.js';
import { ServiceNotices } from './service_notices.js';
import { Events } from './status/events.js';
import { ServiceStatus } from './status/service.js';
import type { SuperviseOptions } from './supervisor.js';
import { serviceManager } from './systemd.js';
import { Upgrader } from './upgrade.js';
import type { PoolOptions } from './worker_pool.js';

export interface Service {
  readonly ledger: Ledger;
  readonly events: Events;
  readonly status: ServiceStatus;
  readonly notices: ServiceNotices;
  readonly generations: Generations;
  readonly admin: AdminPort;
  readonly reloader: Reloader;
  readonly upgrader: Upgrader;
  /** Resolves when all workers of the start are ready. */
  readonly ready: Promise<void>;
  /** Resolves when none of them can be, with the reasons. */
  readonly hopeless: Promise<readonly string[]>;
}

export function createService(options: SuperviseOptions, inheritance: Inheritance | null): Service {
  const hopeless = deferred<readonly string[]>();
  const ready = deferred<void>();
  const ledger = new Ledger();
  const events = new Events();
  const notices: ServiceNotices = new ServiceNotices(serviceManager(), {
    config: () => generations.config,
    workers: () => ledger.workers,
  });
  const callbacks = {
    onHopeless: hopeless.resolve,
    onReady: () => ready.resolve(),
    onWorn: (number: number, connections: number): void => {
      const why = `worker ${number} has seen ${connections} connections to volumes end, of each of which libgfapi keeps memory`;
      if (!reload.upgrader.isRunning) void reload.reloader.renew(why);
    },
  };
  const generations: Generations = createGenerations(
    options,
    { ledger, events, notices },
    callbacks,
    inheritance,
  );
  const status = new ServiceStatus({ config: () => generations.config, ledger, events });
  const parts = { ledger, events, generations, status, notices };
  const reload = createReload(options, parts);
  return { ...parts, ...reload, ready: ready.promise, hopeless: hopeless.promise };
}

function createGenerations(
  options: SuperviseOptions,
  parts: Pick<Service, 'ledger' | 'events' | 'notices'>,
  callbacks: Pick<PoolOptions, 'onHopeless' | 'onReady' | 'onWorn'>,
  inheritance: Inheritance | null,
): Generations {
  const { config, log } = options;
  return new Generations(
    config,
    { ...options, ...parts, onWorn: callbacks.onWorn },
    {
      onHopeless: callbacks.onHopeless,
      onListening: () => {
        // Whose place another one is to take is the service's main process until then.
        if (!inheritance) parts.notices.listening();
        for (const line of describe(config).listeners) log.info(`listening on ${line}`);
      },
      onReady: () => {
        if (!inheritance) parts.notices.ready();
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
    notices,
  }: Pick<Service, 'ledger' | 'events' | 'generations' | 'status' | 'notices'>,
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
      renew: () => generations.renew(),
      renewed: (story) => {
        ledger.renewed();
        events.add('worker', 'neutral', story);
      },
      began: () => notices.reloading(),
      ended: (report) => {
        events.add('reload', report.outcome === 'applied' ? 'good' : 'bad', reloadStory(report));
        // Before `gfserve reload`, which systemd runs, knows of the end.
        notices.reloaded();
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

export function announce(config: Config, log: Logger): void {
  for (const warning of config.warnings) log.warn(warning);
  const { volumes, mounts } = describe(config);
  for (const line of [...volumes, ...mounts]) log.info(line);
}

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((r) => {
    resolve = r;
  });
  return { promise, resolve };
}
