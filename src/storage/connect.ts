/** One attempt to connect a volume: get its volume file from one of its servers, then glfs_init by that. */
import { access, readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import type { VolfileServer, VolumeConfig } from '../config/types.js';
import type { Native, NativeSpec } from './native.js';
import { type ProbeResult, probeAll } from './probe.js';
import { describeProbe, FOLLOWER_TIMES, type VolfileFollower } from './volfile/follower.js';
import { HOW_TO_GET_LOW_PORTS, mayUseLowPorts, refusesHighPorts } from './volfile/low_ports.js';

/** glfs_object_t kept in a worker, and those of one volume. */
const FEWEST_HANDLES = 16_384;
const FEWEST_OF_A_VOLUME = 8_192;
const MOST_OF_A_VOLUME = 65_536;
/** Bricks tell of changes only of what is held, so what is cached should be: there are few files smaller than this. */
const CACHED_BYTES_PER_HANDLE = 8 * 1024;

/** Bytes that one takes, most of them for its inode in libgfapi's own caches. */
const HANDLE_BYTES = 1_800;

/**
 * How many are kept of a volume.
 * @param cacheBytes what the cache in front of all volumes may take, in bytes; 0: there is none
 */
export function handleCapacity(cacheBytes: number, volumes: number): number {
  const all = Math.max(FEWEST_HANDLES, Math.floor(cacheBytes / CACHED_BYTES_PER_HANDLE));
  return Math.min(MOST_OF_A_VOLUME, Math.max(FEWEST_OF_A_VOLUME, Math.floor(all / volumes)));
}

/** Bytes of the cache's budget that so many handles in a worker take: those that it has in any case take none. */
export const handleCost = (handles: number): number =>
  Math.max(0, handles - FEWEST_HANDLES) * HANDLE_BYTES;

/** GF_LOG_* of libglusterfs/src/glusterfs/logging.h. */
const GFAPI_LOG_LEVELS = {
  critical: 3,
  error: 4,
  warning: 5,
  info: 7,
  debug: 8,
  trace: 9,
} as const;

/** What bricks take to say whether they mind from which port they are asked: two round trips. */
const BRICK_ANSWER_MS = 500;

/** SECURE_ACCESS_FILE of GlusterFS: where it exists, glusterd is spoken to by TLS. */
const SECURE_ACCESS_FILE = '/var/lib/glusterd/secure-access';

export type AttemptResult =
  | {
      readonly ok: true;
      readonly volume: number;
      readonly ms: number;
      readonly server: string;
      /** The volume file that it works by for good; null where libgfapi asks the servers, and follows changes, by itself. */
      readonly volfile: string | null;
    }
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

const errnoNames = new Map<number, string>(
  Object.entries(constants.errno).map(([name, number]) => [number, name]),
);

/**
 * libgfapi asks a brick for a sign of life so long after the last one, and then waits as long again for it
 * (rpc_clnt_start_ping, rpc_clnt_ping_timer_expired), counting in whole seconds: a brick that falls silent is given up
 * after once to twice this time and a second. Ours is the time after which it surely is; at least 3.
 */
const clientPingTimeout = (seconds: number): number => Math.floor((seconds - 1) / 2);

/** What libgfapi makes its graph from. */
type Source =
  | { readonly kind: 'file'; readonly server: string }
  | { readonly kind: 'text'; readonly server: string; readonly text: string }
  /** It asks one of them itself, the first one first. */
  | {
      readonly kind: 'servers';
      readonly server: string;
      readonly servers: readonly VolfileServer[];
    };

interface NoSource {
  readonly kind: 'none';
  readonly reason: string;
}

function nativeSpec(
  config: VolumeConfig,
  source: Source,
  maxQueue: number,
  handles: number,
  needsLowPorts: boolean,
): NativeSpec {
  const servers = source.kind === 'servers' ? source.servers : [];
  return {
    volname: config.volname,
    servers: servers.map((server) =>
      server.transport === 'unix'
        ? { transport: 'unix', host: server.path, port: 0 }
        : { transport: 'tcp', host: server.host, port: server.port },
    ),
    volfile: config.volfile ?? '',
    volfileText: source.kind === 'text' ? source.text : '',
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
      // On by default: low ports are few, and other services' too.
      ...(needsLowPorts
        ? [{ xlator: '*-client-*', key: 'client-bind-insecure', value: 'off' }]
        : []),
      ...config.xlatorOptions,
    ],
    logFile: config.logFile ?? '/dev/null',
    logLevel: GFAPI_LOG_LEVELS[config.logLevel],
    threads: config.threads,
    maxQueue,
    handleCapacity: handles,
  };
}

function specFailure(config: VolumeConfig, server: string, errno: number): string {
  return errnoNames.get(errno) === 'ENOENT'
    ? `${server} knows no volume "${config.volname}": is it created and started?`
    : initFailure(config, server, errno);
}

function initFailure(config: VolumeConfig, server: string, errno: number): string {
  const name = errnoNames.get(errno) ?? 'no errno';
  const hint = config.logFile
    ? `; see ${config.logFile}`
    : "; set log-file in the volume's section to see why";
  if (config.volfile) return `the volume file ${config.volfile} could not be used (${name})${hint}`;
  return `${server} answered, but the volume "${config.volname}" could not be connected (${name})${hint}`;
}

export interface AttemptOptions {
  readonly native: Native;
  readonly maxQueue: number;
  /** As handleCapacity says. */
  readonly handles: number;
  /** For libgfapi's part, after the probe. */
  readonly timeoutMs: number;
  readonly abandoned: Abandoned;
  /** Servers that libgfapi is to ask last, although they answered: they were first when an attempt got stuck. */
  readonly avoid: ReadonlySet<string>;
  readonly volfiles: VolfileFollower;
  /** Why libgfapi has to ask the servers by itself. */
  note(reason: string): void;
}

/** Never rejects. On failure nothing is left that the caller would have to close. */
export async function attemptConnect(
  config: VolumeConfig,
  options: AttemptOptions,
): Promise<AttemptResult> {
  const start = performance.now();
  const elapsed = (): number => performance.now() - start;
  const source = await findSource(config, options);
  if (source.kind === 'none') return { ok: false, ms: elapsed(), reason: source.reason };
  const text = source.kind === 'text' ? source.text : await textOf(config.volfile);
  const needsLowPorts = await refusesHighPorts(text, BRICK_ANSWER_MS);
  if (needsLowPorts && !mayUseLowPorts()) {
    const reason = `the bricks of "${config.volname}" take connections from ports below 1024 only (server.allow-insecure): ${HOW_TO_GET_LOW_PORTS}; or "gluster volume set ${config.volname} server.allow-insecure on"`;
    return { ok: false, ms: elapsed(), reason };
  }
  return await initialise(config, source, needsLowPorts, options, elapsed);
}

/** '' where there is none, or none to be read: libgfapi will say so. */
async function textOf(path: string | null): Promise<string> {
  return path === null ? '' : await readFile(path, 'latin1').catch(() => '');
}

async function findSource(
  config: VolumeConfig,
  options: AttemptOptions,
): Promise<Source | NoSource> {
  if (config.volfile !== null) return { kind: 'file', server: config.volfile };
  const isEncrypted = await access(SECURE_ACCESS_FILE).then(
    () => true,
    () => false,
  );
  if (isEncrypted) {
    options.note(`${SECURE_ACCESS_FILE} is there, and TLS to glusterd is libgfapi's`);
    return inOrder(config.servers, options.avoid);
  }
  const fetched = await options.volfiles.fetch();
  if (fetched.ok) return { kind: 'text', ...fetched.volfile };
  switch (fetched.kind) {
    case 'unreachable':
      return { kind: 'none', reason: fetched.reason };
    case 'refused':
      // The volume needs a newer client than GETSPEC was asked for: libgfapi may be one.
      if (fetched.errno === constants.errno.ENOTSUP) {
        options.note(`${fetched.server} gives its volume file to newer clients only`);
        return await liveFirst(config.servers, options.avoid);
      }
      return { kind: 'none', reason: specFailure(config, fetched.server, fetched.errno) };
    default: {
      const impossible: never = fetched;
      throw new Error(`unknown result ${String(impossible)}`);
    }
  }
}

function inOrder(servers: readonly VolfileServer[], avoid: ReadonlySet<string>): Source {
  const rank = ({ text }: VolfileServer): number => Number(avoid.has(text));
  const order = [...servers].sort((a, b) => rank(a) - rank(b));
  return { kind: 'servers', server: order[0]?.text ?? '', servers: order };
}

async function liveFirst(
  servers: readonly VolfileServer[],
  avoid: ReadonlySet<string>,
): Promise<Source | NoSource> {
  const probes = await probeAll(servers, FOLLOWER_TIMES.probeMs);
  if (!probes.some(({ alive }) => alive)) {
    const reason = `no volfile server is there: ${probes.map(describeProbe).join('; ')}`;
    return { kind: 'none', reason };
  }
  const rank = ({ alive, server }: ProbeResult): number =>
    alive ? Number(avoid.has(server.text)) : 2;
  const order = [...probes].sort((a, b) => rank(a) - rank(b)).map(({ server }) => server);
  return { kind: 'servers', server: order[0]?.text ?? '', servers: order };
}

function initialise(
  config: VolumeConfig,
  source: Source,
  needsLowPorts: boolean,
  options: AttemptOptions,
  elapsed: () => number,
): Promise<AttemptResult> {
  const { native, abandoned, timeoutMs } = options;
  const { server } = source;
  const volfile = source.kind === 'text' ? source.text : null;
  return new Promise((resolve) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      abandoned.pending += 1;
      native.close(volume);
      const reason = `${server} answered, but connecting did not end within ${timeoutMs / 1000} s`;
      resolve({ ok: false, ms: elapsed(), reason, stuck: server });
    }, timeoutMs);
    const { maxQueue, handles } = options;
    const spec = nativeSpec(config, source, maxQueue, handles, needsLowPorts);
    const volume = native.connect(spec, (event) => {
      if (late) {
        if (event.kind === 'closed') abandoned.pending -= 1;
        return;
      }
      clearTimeout(timer);
      if (event.kind === 'connected') {
        resolve({ ok: true, volume, ms: elapsed(), server, volfile });
      } else if (event.kind === 'failed') {
        native.close(volume);
        const explain = source.kind === 'servers' ? specFailure : initFailure;
        resolve({ ok: false, ms: elapsed(), reason: explain(config, server, event.errno) });
      }
    });
  });
}
