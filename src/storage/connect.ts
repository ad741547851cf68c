/** One attempt to connect a volume: probe its servers, then glfs_init through those that answer. */
import { constants } from 'node:os';
import type { VolfileServer, VolumeConfig } from '../config/types.js';
import type { Native, NativeSpec } from './native.js';
import { type ProbeResult, probeAll } from './probe.js';

/** How long a volfile server may take to answer the probe. */
export const PROBE_TIMEOUT_MS = 1500;

/** glfs_object_t kept per volume; each takes 1.8 KiB, most of it for its inode in libgfapi's own caches. */
const FEWEST_HANDLES = 16_384;
const MOST_HANDLES = 65_536;
/** Bricks tell of changes only of what is held, so what is cached should be: there are few files smaller than this. */
const CACHED_BYTES_PER_HANDLE = 8 * 1024;

/** @param cacheBytes what the cache in front of the volume may take, in bytes; 0: there is none */
export const handleCapacity = (cacheBytes: number): number =>
  Math.min(
    MOST_HANDLES,
    Math.max(FEWEST_HANDLES, Math.floor(cacheBytes / CACHED_BYTES_PER_HANDLE)),
  );

/** GF_LOG_* of libglusterfs/src/glusterfs/logging.h. */
const GFAPI_LOG_LEVELS = {
  critical: 3,
  error: 4,
  warning: 5,
  info: 7,
  debug: 8,
  trace: 9,
} as const;

export type AttemptResult =
  | { readonly ok: true; readonly volume: number; readonly ms: number; readonly server: string }
  | {
      readonly ok: false;
      readonly ms: number;
      readonly reason: string;
      /** The server that libgfapi got stuck with. */
      readonly stuck?: string;
    };

/** A libgfapi connect that did not end in time goes on in its thread; `pending` counts those. */
export interface Abandoned {
  pending: number;
}

const describe = (result: ProbeResult): string =>
  result.alive ? `${result.server.text} answered` : `${result.server.text} ${result.reason}`;

const errnoNames = new Map<number, string>(
  Object.entries(constants.errno).map(([name, number]) => [number, name]),
);

/**
 * libgfapi asks a brick for a sign of life so long after the last one, and then waits as long again for it
 * (rpc_clnt_start_ping, rpc_clnt_ping_timer_expired), counting in whole seconds: a brick that falls silent is given up
 * after once to twice this time and a second. Ours is the time after which it surely is; at least 3.
 */
const clientPingTimeout = (seconds: number): number => Math.floor((seconds - 1) / 2);

function nativeSpec(
  config: VolumeConfig,
  servers: readonly VolfileServer[],
  maxQueue: number,
  cacheBytes: number,
): NativeSpec {
  return {
    volname: config.volname,
    servers: servers.map((server) =>
      server.transport === 'unix'
        ? { transport: 'unix', host: server.path, port: 0 }
        : { transport: 'tcp', host: server.host, port: server.port },
    ),
    volfile: config.volfile ?? '',
    options: [
      {
        xlator: '*-client-*',
        key: 'ping-timeout',
        value: String(clientPingTimeout(config.pingTimeoutSeconds)),
      },
      // With more than one, those that are not the first end by themselves, and glfs_fini does not wait until they have: the last
      // that they do is to use what it has freed, which killed workers. It costs 8 % of small files that come from the volume
      // one after the other, and large ones come faster.
      { xlator: '*-client-*', key: 'event-threads', value: '1' },
      ...config.xlatorOptions,
    ],
    logFile: config.logFile ?? '/dev/null',
    logLevel: GFAPI_LOG_LEVELS[config.logLevel],
    threads: config.threads,
    maxQueue,
    handleCapacity: handleCapacity(cacheBytes),
  };
}

function initFailure(config: VolumeConfig, server: string, errno: number): string {
  const name = errnoNames.get(errno) ?? 'no errno';
  const hint = config.logFile
    ? `; see ${config.logFile}`
    : "; set log-file in the volume's section to see why";
  if (config.volfile) return `the volume file ${config.volfile} could not be used (${name})${hint}`;
  if (name === 'ENOENT')
    return `${server} knows no volume "${config.volname}": is it created and started?`;
  return `${server} answered, but the volume "${config.volname}" could not be connected (${name})${hint}`;
}

export interface AttemptOptions {
  readonly native: Native;
  readonly maxQueue: number;
  /** Of the cache in front of the volume; 0: there is none. */
  readonly cacheBytes: number;
  /** For libgfapi's part, after the probe. */
  readonly timeoutMs: number;
  readonly abandoned: Abandoned;
  /** Servers to try last, although they answered: they were first when an attempt got stuck. */
  readonly avoid: ReadonlySet<string>;
}

/** Never rejects. On failure nothing is left that the caller would have to close. */
export async function attemptConnect(
  config: VolumeConfig,
  options: AttemptOptions,
): Promise<AttemptResult> {
  const start = performance.now();
  const elapsed = (): number => performance.now() - start;
  let order: readonly VolfileServer[] = [];
  let first = config.volfile ?? '';
  if (config.volfile === null) {
    const probes = await probeAll(config.servers, PROBE_TIMEOUT_MS);
    if (!probes.some((result) => result.alive)) {
      const reason = `no volfile server is there: ${probes.map(describe).join('; ')}`;
      return { ok: false, ms: elapsed(), reason };
    }
    const rank = (result: ProbeResult): number =>
      result.alive ? Number(options.avoid.has(result.server.text)) : 2;
    order = [...probes].sort((a, b) => rank(a) - rank(b)).map((result) => result.server);
    first = order[0]?.text ?? '';
  }
  return await initialise(config, order, first, options, elapsed);
}

function initialise(
  config: VolumeConfig,
  order: readonly VolfileServer[],
  first: string,
  options: AttemptOptions,
  elapsed: () => number,
): Promise<AttemptResult> {
  const { native, abandoned, timeoutMs } = options;
  return new Promise((resolve) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      abandoned.pending += 1;
      native.close(volume);
      const reason = `${first} answered, but connecting did not end within ${timeoutMs / 1000} s`;
      resolve({ ok: false, ms: elapsed(), reason, stuck: first });
    }, timeoutMs);
    const volume = native.connect(
      nativeSpec(config, order, options.maxQueue, options.cacheBytes),
      (event) => {
        if (late) {
          if (event.kind === 'closed') abandoned.pending -= 1;
          return;
        }
        clearTimeout(timer);
        if (event.kind === 'connected') {
          resolve({ ok: true, volume, ms: elapsed(), server: first });
        } else if (event.kind === 'failed') {
          native.close(volume);
          resolve({ ok: false, ms: elapsed(), reason: initFailure(config, first, event.errno) });
        }
      },
    );
  });
}
