/**
 * The package in a clean system of the release that this machine runs, made by debootstrap of the mirror that apt uses here:
 * installed, started as the service's user, serving a file of a real volume, removed, purged.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Cluster } from '../../test/support/cluster/cluster.js';
import { until } from '../../test/support/gfserve.js';
import { run } from './run.js';

type Say = (line: string) => void;

const ADDRESS = '127.1.1.249';
const PORT = 80;
const CONTENT = 'content of a volume';
const READY_MS = 60_000;

/** Rejects with what is wrong. Leaves nothing behind. */
export async function checkDeb(deb: string, say: Say): Promise<void> {
  if (process.geteuid?.() !== 0) throw new Error('--check needs root: debootstrap and glusterd do');
  const dir = await mkdtemp(join(tmpdir(), 'gfserve-deb-check-'));
  const system = new CleanSystem(join(dir, 'root'));
  let cluster: Cluster | null = null;
  try {
    say('making a clean system');
    system.make();
    say('installing the package');
    system.install(deb);
    cluster = await Cluster.up({ dir: join(dir, 'cluster'), nodes: 1 });
    await cluster.createVolume('site', { bricks: 1 });
    await writeFile(join(await cluster.mount('site'), 'f.txt'), CONTENT);
    say('serving a file');
    await serveFrom(system, cluster.addresses.join(', '));
    checkRemains(system, say);
  } finally {
    await cluster?.down();
    system.unmount();
    await rm(dir, { recursive: true, force: true });
  }
}

class CleanSystem {
  constructor(readonly root: string) {}

  make(): void {
    const release = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
    if (release === undefined) throw new Error('/etc/os-release names no release');
    const format = '$(SITE) $(COMPONENT) $(SUITE) $(CODENAME)';
    const sites = run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'])
      .split('\n')
      .filter((line) => line.split(' ')[1] === 'main' && line.split(' ').includes(release));
    const mirror = sites[0]?.split(' ')[0];
    if (mirror === undefined) throw new Error(`apt has no mirror of ${release} here`);
    run('debootstrap', ['--variant=minbase', release, this.root, mirror]);
    // How apt reaches its mirrors from here: a proxy, a clock that is not right.
    const settings = run('apt-config', ['dump', '--format', '%F "%v";%n', 'Acquire']);
    writeFileSync(join(this.root, 'etc/apt/apt.conf.d/99host'), settings);
    for (const file of ['/etc/resolv.conf', '/etc/hosts']) {
      if (existsSync(file)) cpSync(file, join(this.root, file), { dereference: true });
    }
    // No service is to be started by its package.
    writeFileSync(join(this.root, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', {
      mode: 0o755,
    });
    run('mount', ['-t', 'proc', 'proc', join(this.root, 'proc')]);
    writeFileSync(join(this.root, 'etc/dpkg/dpkg.cfg.d/unsafe-io'), 'force-unsafe-io\n');
    this.run('apt-get', 'update');
  }

  install(deb: string): void {
    cpSync(deb, join(this.root, 'tmp', basename(deb)));
    this.run('apt-get', 'install', '-y', '--no-install-recommends', `/tmp/${basename(deb)}`);
  }

  run(...command: string[]): string {
    return run('chroot', [this.root, ...command], { env: ENVIRONMENT });
  }

  spawn(...command: string[]): ChildProcess {
    return spawn('chroot', [this.root, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...ENVIRONMENT, GFSERVE_LOG_STYLE: 'text' },
    });
  }

  /** Everything that has the package's name in its path, but what dpkg and apt note for themselves. */
  remains(): string[] {
    return this.run('find', '/', '-xdev', '-path', '*gfserve*', '-not', '-path', '/tmp/*')
      .split('\n')
      .filter((path) => path !== '' && !/^\/(proc|var\/(lib\/(dpkg|apt)|cache))\//.test(path))
      .sort();
  }

  unmount(): void {
    const proc = join(this.root, 'proc');
    if (existsSync(join(proc, 'self'))) run('umount', [proc]);
  }
}

const ENVIRONMENT: NodeJS.ProcessEnv = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C.UTF-8',
  DEBIAN_FRONTEND: 'noninteractive',
};

/** As systemd would: the service's user, one capability, its folder in /run. */
function start(system: CleanSystem): ChildProcess {
  system.run('install', '-d', '-o', 'gfserve', '-g', 'gfserve', '/run/gfserve');
  const only = '-all,+net_bind_service';
  return system.spawn(
    ...['setpriv', '--reuid=gfserve', '--regid=gfserve', '--init-groups', '--no-new-privs'],
    ...[`--inh-caps=${only}`, `--ambient-caps=${only}`, `--bounding-set=${only}`],
    ...['gfserve', '--config', '/etc/gfserve/server.ini'],
  );
}

async function serveFrom(system: CleanSystem, servers: string): Promise<void> {
  const file = join(system.root, 'etc/gfserve/server.ini');
  const sample = readFileSync(file, 'utf8');
  system.run('gfserve', 'check', '--config', '/etc/gfserve/server.ini');
  const edited = sample
    .replace(/^listen\[\] = \S+/m, `listen[] = ${ADDRESS}:${PORT}`)
    .replace(/^listen = \S+/m, `listen = ${ADDRESS}:9145`)
    .replace(/^servers = .*$/m, `servers = ${servers}\nvolname = site`);
  mkdirSync(join(system.root, 'run'), { recursive: true });
  writeFileSync(file, edited);
  const child = start(system);
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data: Buffer) => {
      log += data.toString();
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  try {
    await until('the file is served', READY_MS, async () => {
      if (isOver) throw new Error(`gfserve ended:\n${log}`);
      return (await fetchText().catch(() => '')) === `200 ${CONTENT}`;
    });
    const reload = system.run(
      ...['setpriv', '--reuid=gfserve', '--regid=gfserve', '--clear-groups'],
      ...['gfserve', 'reload', '--config', '/etc/gfserve/server.ini'],
    );
    if ((await fetchText()) !== `200 ${CONTENT}`) throw new Error(`not after a reload: ${reload}`);
    const lines = readFileSync(join(system.root, 'var/log/gfserve/access.log'), 'utf8');
    if (!lines.includes('/f.txt')) throw new Error(`nothing in the access log:\n${log}`);
  } catch (error) {
    throw new Error(`gfserve's log:\n${log}`, { cause: error });
  } finally {
    child.kill('SIGTERM');
    await ended;
    writeFileSync(file, sample);
  }
}

function fetchText(): Promise<string> {
  return new Promise((resolve, reject) => {
    const where = { host: ADDRESS, port: PORT, path: '/f.txt', agent: false, timeout: 5_000 };
    const request = http.get(where, (response) => {
      let text = '';
      response.on('data', (data: Buffer) => {
        text += data.toString();
      });
      response.on('end', () => resolve(`${response.statusCode} ${text}`));
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', reject);
  });
}

/** After a removal its configuration and its logs are left, after a purge nothing. */
function checkRemains(system: CleanSystem, say: Say): void {
  run('rm', ['-rf', join(system.root, 'run/gfserve')]);
  const allowed = /^\/etc\/(gfserve(\/server\.ini)?|logrotate\.d\/gfserve)$|^\/var\/log\/gfserve/;
  say('removing it');
  system.run('apt-get', 'remove', '-y', 'gfserve');
  const kept = system.remains();
  // The mask by which systemd is told that the unit is away for now.
  const strange = kept.filter((path) => !allowed.test(path) && !/\/systemd\//.test(path));
  if (strange.length > 0) throw new Error(`left by remove:\n${strange.join('\n')}`);
  if (!kept.includes('/etc/gfserve/server.ini')) throw new Error('remove took the configuration');
  say(`left: ${kept.join(' ')}`);
  say('purging it');
  system.run('apt-get', 'purge', '-y', 'gfserve');
  const left = system.remains();
  if (left.length > 0) throw new Error(`left by purge:\n${left.join('\n')}`);
  if (/gfserve/.test(system.run('cat', '/etc/passwd', '/etc/group'))) {
    throw new Error('purge left the account');
  }
  say('left: nothing');
}
