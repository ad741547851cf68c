/** gfserve as its users would start it, with one worker. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../test/support/ports.js';
import { Daemon } from './daemon.js';
import { HttpPeer } from './http_peer.js';
import { type Ground, type Peer, type PeerKind, SERVER } from './peer.js';

export const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));

/** The cache, as it is by default: said here so that the figures keep meaning the same. */
const CACHE_ON: readonly string[] = ['size = 256M', 'valid = 1s'];
const CACHE_OFF: readonly string[] = ['size = 0'];

/** What a gfserve is started with. */
export interface GfserveOptions {
  readonly workDir: string;
  readonly name: string;
  readonly cli: string;
  readonly addresses: readonly string[];
  /** The volume behind each URL path. */
  readonly mounts: Readonly<Record<string, string>>;
  /** Further lines of each `[volume]` section. */
  readonly volumeLines: readonly string[];
  /** Lines of the `[cache]` section; none: no section, so all its defaults. */
  readonly cacheLines: readonly string[];
  readonly accessLog: AccessLogKind;
}

/** Into a file of the work folder, in the default format; or none, as with the other peers. */
type AccessLogKind = 'file' | 'off';

/** Starts a gfserve of one worker. */
export async function startGfserve(options: GfserveOptions): Promise<Daemon> {
  const { workDir, name, cli, addresses } = options;
  const port = await freePort();
  const lines = [`servers = ${addresses.join(', ')}`, ...options.volumeLines].join('\n');
  const sections = Object.entries(options.mounts).map(
    ([path, volume], at) =>
      `[volume ${volume}]\n${lines}\n[mount m${at}]\npath = ${path}\nvolume = ${volume}\n`,
  );
  const file = join(workDir, `${name}.ini`);
  const access = options.accessLog === 'off' ? 'off' : join(workDir, `${name}.access.log`);
  const server = `[server]\nlisten[] = 127.0.0.1:${port}\nworkers = 1\n[log]\naccess = ${access}\n`;
  const cacheLines = options.cacheLines.map((line) => `${line}\n`).join('');
  const cache = cacheLines === '' ? '' : `[cache]\n${cacheLines}`;
  await writeFile(file, `${server}${cache}${sections.join('')}`);
  const command = [process.execPath, cli, '--config', file];
  return await Daemon.start(command, port, join(workDir, `${name}.log`));
}

interface Kind {
  readonly name: string;
  readonly cli: string;
  readonly cacheLines: readonly string[];
  readonly accessLog?: AccessLogKind;
}

async function start(ground: Ground, kind: Kind): Promise<Peer> {
  const { workDir, gfserveVolume } = ground;
  const { cacheLines, name, accessLog = 'off' } = kind;
  const daemon = await startGfserve({
    ...kind,
    accessLog,
    workDir,
    addresses: ground.cluster.addresses,
    mounts: { '/': ground.volume },
    volumeLines: gfserveVolume,
  });
  const cache =
    cacheLines.length === 0 ? ['no [cache] section'] : [`[cache] ${cacheLines.join(', ')}`];
  const setup = ['one worker', `access log ${accessLog}`, ...cache, ...gfserveVolume].join(', ');
  return new HttpPeer(ground, { name, daemon, setup, traits: { ...SERVER, caches: true } });
}

const withCache = (name: string, title: string, accessLog: AccessLogKind): PeerKind => ({
  title,
  traits: { ...SERVER, caches: true },
  missing: () => null,
  start: (ground) => {
    const cacheLines = ground.cacheSection === 'none' ? [] : CACHE_ON;
    return start(ground, { cli: CLI, name, cacheLines, accessLog });
  },
});

export const gfserve = withCache('gfserve', 'gfserve, one worker, with its memory cache', 'off');

/** What the access log costs is seen against the first. */
export const gfserveLog = withCache(
  'gfserve-log',
  'gfserve with its memory cache and an access log',
  'file',
);

export const gfserveNocache: PeerKind = {
  title: 'the same without the memory cache',
  traits: SERVER,
  missing: () => null,
  start: (ground) => {
    const cacheLines = ground.cacheSection === 'none' ? [] : CACHE_OFF;
    return start(ground, { cli: CLI, name: 'gfserve-nocache', cacheLines });
  },
};

/** What a change costs is seen against the state before it, in the same run. */
export const gfserveOther: PeerKind = {
  title: 'gfserve of the built checkout that --other names, with its memory cache',
  traits: { ...SERVER, caches: true },
  missing: () => null,
  start: (ground) => {
    if (ground.other === null) throw new Error('the peer gfserve-other needs --other DIR');
    const cli = join(ground.other, 'dist', 'src', 'cli.js');
    const cacheLines = ground.cacheSection === 'all' ? CACHE_ON : [];
    return start(ground, { cli, name: 'gfserve-other', cacheLines });
  },
};
