/** A worker process: puts volumes, router and server together. Started by the supervisor, never by hand. */
import { randomBytes } from 'node:crypto';
import type { Config, ListenAddress } from './config/types.js';
import { Clients } from './http/clients.js';
import type { Site } from './http/exchange.js';
import { askFields } from './http/fields.js';
import { HotAnswers } from './http/hot.js';
import { KeptPages } from './http/kept_pages.js';
import { ListingMemory } from './http/listing_source.js';
import { createBoundaries } from './http/multipart.js';
import { QuickAnswers } from './http/quick.js';
import type { Wanted } from './http/request.js';
import { createRouter } from './http/route.js';
import type { Ending, HttpServer } from './http/server.js';
import { Transfers } from './http/transfer.js';
import { createTrust } from './http/trust.js';
import { loadHttpNative } from './http_native.js';
import { joinSupervisor, type ToWorker, type WorkerStatus } from './ipc.js';
import { type AccessLog, createAccessLog } from './observe/access_log.js';
import { createLogger, type Logger, logStyle } from './observe/log.js';
import { dropPrivileges } from './privileges.js';
import { type SocketHandle, socketKey, socketPath, wrapSocket } from './sockets.js';
import { CachedStorage } from './storage/cache/cached_storage.js';
import { Compressor } from './storage/cache/compressor.js';
import { Memory } from './storage/cache/memory.js';
import { handleCapacity, handleCost } from './storage/connect.js';
import { Native } from './storage/native.js';
import type { Storage } from './storage/storage.js';
import { Volume } from './storage/volume.js';
import { Wear } from './wear.js';
import { WorkerReport } from './worker_figures.js';

/** How often figures are sent unasked: what a crash loses is what was counted since. */
const REPORT_MS = 1000;

const native = new Native();
const httpNative = loadHttpNative();
let log: Logger = createLogger({
  level: 'info',
  style: logStyle(process.env, process.stderr.isTTY),
});
let running: Worker | null = null;
let accessLog: AccessLog | null = null;
let isLeaving = false;
/** Of a predecessor, by their keys: to be listened on. */
const inherited = new Map<string, SocketHandle>();

const link = joinSupervisor({
  message: (message, socket) => void onMessage(message, socket),
  orphaned: () => {
    log.warn('the supervisor is gone; finishing what is under way');
    void stop(running?.drainTimeoutMs ?? 0, 'stop');
  },
});

process.on('uncaughtException', (error) => {
  log.error('a bug ends this worker', { err: error });
  native.exitNow(70);
});

link.send({ type: 'hello' });

async function onMessage(message: ToWorker, socket: SocketHandle | null): Promise<void> {
  switch (message.type) {
    case 'socket':
      if (socket) inherited.set(message.key, socket);
      return;
    case 'start':
      await start(message.number, message.config, message.graceMs);
      return;
    case 'drain':
      await stop(message.timeoutMs, 'stop');
      return;
    case 'retire':
      await stop(message.timeoutMs, 'retire');
      return;
    case 'reopen':
      // One that is not open yet will be opened by its name.
      accessLog?.reopen();
      return;
    case 'status':
      if (running) link.send({ type: 'status', id: message.id, body: running.status() });
      return;
    case 'measure':
      if (running) running.report(true);
      else link.send({ type: 'metrics', asked: true, samples: [] });
      return;
    default: {
      const impossible: never = message;
      throw new Error(`unknown message ${String(impossible)}`);
    }
  }
}

async function start(number: number, config: Config, graceMs: number): Promise<void> {
  log = createLogger({
    level: config.log.level,
    style: logStyle(process.env, process.stderr.isTTY),
  }).child({ worker: number });
  try {
    // Read when the module is loaded, which is why it is loaded only now; and as whoever may read the program.
    process.env.UWS_HTTP_MAX_HEADERS_SIZE = String(config.limits.maxHeaderSize);
    const { HttpServer } = await import('./http/server.js');
    // Opened by root where there is one, as other servers do: log folders belong to root.
    accessLog = createAccessLog(config.log, log, httpNative.lines);
    dropPrivileges(config.server);
    running = new Worker(number, config, accessLog, (site) => new HttpServer(site, native));
    await running.start(graceMs);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'GFS_INTERNAL';
    const text = error instanceof Error ? error.message : String(error);
    link.send({ type: 'failed', code, message: text }, () => native.exitNow(1));
  }
}

/** A second call can only hasten what the first began. */
async function stop(timeoutMs: number, ending: Ending): Promise<void> {
  if (isLeaving) {
    running?.hurry(timeoutMs);
    return;
  }
  isLeaving = true;
  const result = running ? await running.drain(timeoutMs, ending) : { finished: 0, cut: 0 };
  // Without glfs_fini, which takes seconds and may hang: the bricks see the connections close. Only reads were under way.
  link.send({ type: 'drained', ...result }, () => native.exitNow(0));
}

/** Who is told by Cache-Status how an answer came about. */
function cacheStatus({ log: { level }, server: { trustedProxies } }: Config): Site['cacheStatus'] {
  if (level === 'debug') return 'all';
  return trustedProxies.length === 0 ? null : 'trusted';
}

class Worker {
  readonly drainTimeoutMs: number;
  readonly #startedAt = Date.now();
  readonly #volumes: readonly Volume[];
  readonly #server: HttpServer;
  readonly #pages: KeptPages;
  /** null: there is no cache. */
  readonly #memory: Memory | null;
  readonly #quick: QuickAnswers | null;
  readonly #compressor = new Compressor();
  readonly #caches = new Map<string, CachedStorage>();
  readonly #figures: WorkerReport;
  readonly #wear: Wear;
  #reporting: NodeJS.Timeout | null = null;
  /** Reports that the channel has not taken yet. */
  #unsent = 0;

  constructor(
    private readonly number: number,
    private readonly config: Config,
    private readonly accessLog: AccessLog,
    createServer: (site: Site) => HttpServer,
  ) {
    const { limits, cache, server } = config;
    const cacheBytes = Math.floor(cache.sizeBytes / server.workers);
    this.drainTimeoutMs = limits.drainTimeoutMs;
    this.#wear = new Wear(cacheBytes);
    this.#volumes = config.volumes.map(
      (volume) =>
        new Volume(volume, {
          native,
          log: log.child({ volume: volume.name }),
          maxQueue: limits.maxQueue,
          handles: handleCapacity(cacheBytes, config.volumes.length),
          requestTimeoutMs: limits.requestTimeoutMs,
        }),
    );
    this.#memory = cacheBytes === 0 ? null : new Memory(cacheBytes);
    const storages = new Map(this.#volumes.map((volume) => [volume.name, this.#storageOf(volume)]));
    const router = createRouter(config.mounts, (name) => {
      const storage = storages.get(name);
      if (!storage) throw new Error(`no volume "${name}"`);
      return storage;
    });
    this.#pages = new KeptPages(router.mounts);
    const logged = config.log.access.kind !== 'off';
    const wanted = {
      host: router.needsHost,
      acceptEncoding: router.needsAcceptEncoding,
      log: logged,
    };
    const counters = { total: 0, active: 0 };
    this.#quick = this.#quickAnswers(wanted, (count) => {
      counters.total += count;
    });
    this.#server = createServer({
      router,
      wanted,
      hot: this.#memory && new HotAnswers(wanted),
      quick: this.#quick,
      transfers: new Transfers(limits.sendTimeoutMs),
      pages: this.#pages,
      listings: new ListingMemory(),
      accessLog: logged ? accessLog : null,
      clients: new Clients(
        httpNative.socketOf,
        server.trustedProxies.length === 0 ? null : createTrust(server.trustedProxies),
        this.#quick,
      ),
      fieldsOf: (req) => {
        const fields = httpNative.fieldsOf(req);
        return fields < 0 ? askFields(req) : fields;
      },
      log,
      counters,
      cacheStatus: cacheStatus(config),
      nextBoundary: createBoundaries(randomBytes(16).toString('hex')),
      draining: false,
      onIdle: () => undefined,
    });
    this.#figures = new WorkerReport({
      status: () => this.status(),
      accepted: () => this.#server.accepted,
      mounts: [...router.mounts.map((mount) => mount.counters), router.unmounted],
      volumes: new Map(this.#volumes.map((volume) => [volume.name, volume.counters])),
    });
  }

  /** null: the native module can't see requests. They all come to JavaScript where it alone can make lines for them, or everybody is told by Cache-Status. */
  #quickAnswers(wanted: Wanted, onRequests: (count: number) => void): QuickAnswers | null {
    const memory = this.#memory;
    const { quick } = httpNative;
    if (!quick) return null;
    const { host, acceptEncoding } = wanted;
    const epoch = memory ? memory.epoch.cell : new Float64Array(1);
    const { native: lines } = this.accessLog;
    const told = cacheStatus(this.config);
    const enabled = memory !== null && lines !== null && told !== 'all';
    const log = typeof lines === 'number' ? lines : null;
    const trusts = told === 'trusted';
    const options = { maker: quick, epoch, host, acceptEncoding, log, trusts, enabled, onRequests };
    const answers = new QuickAnswers(options);
    if (memory) memory.beforeEviction = () => answers.collect();
    return answers;
  }

  /** The volume, behind the cache where there is one. */
  #storageOf(volume: Volume): Storage {
    const { limits, cache, volumes } = this.config;
    if (!this.#memory) return volume;
    const { maxObjectBytes, validMs, negativeMs, staleIfErrorMs } = cache;
    const config = volumes.find(({ name }) => name === volume.name);
    const cached = new CachedStorage(volume, this.#memory, {
      maxObjectBytes,
      validMs,
      negativeMs,
      staleIfErrorMs,
      requestTimeoutMs: limits.requestTimeoutMs,
      invalidate: config?.invalidate !== 'off',
      compressor: this.#compressor,
      log: log.child({ volume: volume.name }),
    });
    this.#caches.set(volume.name, cached);
    return cached;
  }

  /** Listens once every volume is connected or has failed once, or after a grace: a slow one holds up no other. */
  async start(graceMs: number): Promise<void> {
    const verdicts = Promise.all(this.#volumes.map((volume) => volume.start()));
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([verdicts, grace]);
    clearTimeout(timer);
    this.#pages.start();
    const { listen } = this.config.server;
    for (const address of listen) this.#listen(address);
    for (const socket of inherited.values()) socket.close();
    inherited.clear();
    link.send({ type: 'listening', listeners: listen.map(({ text }) => text) });
    // Before anybody believes it to be ready, it is known which volumes it has.
    this.report(false);
    this.#reporting = setInterval(() => {
      // They must not pile up before a supervisor that hangs.
      if (this.#unsent === 0) this.report(false);
      this.#sayWorn();
    }, REPORT_MS);
    link.send({ type: 'ready' });
  }

  /** Sends all figures. */
  report(asked: boolean): void {
    this.#quick?.collect();
    this.#countHandles();
    this.#unsent += 1;
    link.send({ type: 'metrics', asked, samples: this.#figures.samples() }, () => {
      this.#unsent -= 1;
    });
  }

  #sayWorn(): void {
    const ended = this.#volumes.reduce((sum, volume) => sum + volume.ended, 0);
    const volumes = this.#volumes.map((volume) => volume.status());
    if (this.#wear.isDue(ended, volumes)) link.send({ type: 'worn', ended });
  }

  /** What is held of files for the cache's sake is held at its expense. */
  #countHandles(): void {
    let handles = 0;
    for (const volume of this.#volumes) handles += volume.status().native.handles ?? 0;
    this.#memory?.setAside(handleCost(handles));
  }

  /** On the predecessor's socket where there is one. Whoever comes after this worker is to have the socket from it. */
  #listen(address: ListenAddress): void {
    const key = socketKey(address, this.number);
    const path = address.kind === 'unix' ? socketPath(address.path, this.number) : '';
    const fd = this.#server.listen(address, path, inherited.get(key)?.fd ?? null);
    const copy = native.duplicateSocket(fd);
    if (copy !== -1) link.sendSocket(key, wrapSocket(copy));
  }

  status(): WorkerStatus {
    this.#quick?.collect();
    const { rss, heapUsed, external } = process.memoryUsage();
    const memory = native.memory();
    return {
      number: this.number,
      pid: process.pid,
      uptimeMs: Date.now() - this.#startedAt,
      requests: this.#server.counters,
      connections: this.#server.connections,
      logLinesLost: this.accessLog.lost,
      volumes: this.#volumes.map((volume) => ({
        name: volume.name,
        ...volume.status(),
        cache: this.#cacheStatus(volume.name),
      })),
      cache: this.#memory && {
        budget: this.#memory.budget,
        bytes: this.#memory.bytes,
        blockBytes: this.#memory.blockBytes,
        entries: this.#memory.count,
        evictions: this.#memory.evictions,
        compressed: this.#compressor.made,
        compressRefused: this.#compressor.refused,
        quick: this.#quick?.given ?? 0,
      },
      memory: { rss, heapUsed, external, ...memory },
    };
  }

  #cacheStatus(volume: string): Record<string, number> | null {
    const cache = this.#caches.get(volume);
    return cache ? { ...cache.stats() } : null;
  }

  hurry(timeoutMs: number): void {
    this.#server.hurry(timeoutMs);
  }

  async drain(timeoutMs: number, ending: Ending): Promise<{ finished: number; cut: number }> {
    const result = await this.#server.drain(timeoutMs, ending);
    if (this.#reporting) clearInterval(this.#reporting);
    this.report(false);
    this.#figures.close();
    this.#pages.stop();
    for (const volume of this.#volumes) volume.close();
    await this.accessLog.close();
    return result;
  }
}
