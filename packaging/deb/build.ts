/** Puts the Debian package together, by dpkg-deb alone. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { nodeLicence } from './node_licence.js';
import { dependencies, placeProgram } from './program.js';
import { run } from './run.js';
import { architecture, changelog, control, copyright, manifest } from './texts.js';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const HERE = join(ROOT, 'packaging', 'deb');
const PROGRAMS = ['usr/bin/gfserve', 'usr/lib/gfserve/bin/node'];
const DOC = 'usr/share/doc/gfserve';
const CONFFILES = ['/etc/gfserve/server.ini', '/etc/logrotate.d/gfserve'];
const EXAMPLES = [
  'server.ini',
  'nginx.conf',
  'prometheus.yml',
  'alerts.yml',
  'grafana-dashboard.json',
];
const DOCS = ['config.md', 'operations.md', 'errors.md', 'http.md', 'metrics.md'];

export interface BuildOptions {
  /** Where the file goes. */
  readonly to: string;
  /** Quick to make rather than small. */
  readonly quick: boolean;
}

/** Returns the package's path. Throws where anything is missing. */
export function buildDeb({ to, quick }: BuildOptions): string {
  const about = manifest(ROOT);
  const stage = mkdtempSync(join(tmpdir(), 'gfserve-deb-'));
  try {
    chmodSync(stage, 0o755);
    placeProgram(ROOT, join(stage, 'usr/lib/gfserve'));
    placeSystemFiles(stage);
    placeDocs(stage);
    for (const path of everything(stage)) setMode(path);
    for (const path of PROGRAMS) chmodSync(join(stage, path), 0o755);
    placeControl(stage, control(about, kilobytes(stage)));
    mkdirSync(to, { recursive: true });
    const file = join(to, `gfserve_${about.version}_${architecture()}.deb`);
    const compression = quick ? ['-Zgzip', '-z1'] : ['-Zxz'];
    run('dpkg-deb', ['--root-owner-group', ...compression, '--build', stage, file]);
    return file;
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function placeSystemFiles(stage: string): void {
  const put = (from: string, path: string): void => {
    mkdirSync(dirname(join(stage, path)), { recursive: true });
    cpSync(from, join(stage, path));
  };
  put(join(HERE, 'launcher'), 'usr/bin/gfserve');
  put(join(HERE, 'server.ini'), 'etc/gfserve/server.ini');
  put(join(HERE, 'logrotate'), 'etc/logrotate.d/gfserve');
  put(join(HERE, 'lintian-overrides'), 'usr/share/lintian/overrides/gfserve');
  put(join(ROOT, 'conf', 'gfserve.service'), 'lib/systemd/system/gfserve.service');
  const { version } = manifest(ROOT);
  const page = readFileSync(join(HERE, 'gfserve.8'), 'utf8').replace('@VERSION@', version);
  putCompressed(stage, 'usr/share/man/man8/gfserve.8.gz', page);
}

function placeDocs(stage: string): void {
  mkdirSync(join(stage, DOC, 'examples'), { recursive: true });
  for (const name of EXAMPLES) cpSync(join(ROOT, 'conf', name), join(stage, DOC, 'examples', name));
  for (const name of DOCS) cpSync(join(ROOT, 'docs', name), join(stage, DOC, name));
  const all = dependencies(ROOT);
  writeFileSync(join(stage, DOC, 'copyright'), copyright(ROOT, all, nodeLicence()));
  putCompressed(stage, `${DOC}/CHANGELOG.md.gz`, readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'));
  const seconds = Number(process.env.SOURCE_DATE_EPOCH ?? Math.floor(Date.now() / 1000));
  putCompressed(stage, `${DOC}/changelog.gz`, changelog(manifest(ROOT), seconds));
}

function placeControl(stage: string, text: string): void {
  const folder = join(stage, 'DEBIAN');
  mkdirSync(folder, { mode: 0o755 });
  writeFileSync(join(folder, 'control'), text, { mode: 0o644 });
  writeFileSync(join(folder, 'conffiles'), `${CONFFILES.join('\n')}\n`, { mode: 0o644 });
  for (const name of ['postinst', 'prerm', 'postrm']) {
    cpSync(join(HERE, name), join(folder, name));
    chmodSync(join(folder, name), 0o755);
  }
  const files = everything(stage)
    .filter((path) => lstatSync(path).isFile())
    .map((path) => path.slice(stage.length + 1))
    .filter((path) => !path.startsWith('DEBIAN/') && !CONFFILES.includes(`/${path}`));
  const sums = execFileSync('md5sum', ['--', ...files], { cwd: stage, encoding: 'utf8' });
  writeFileSync(join(folder, 'md5sums'), sums, { mode: 0o644 });
}

/** gzip without a name or a time in it, so that the same sources make the same package. */
function putCompressed(stage: string, path: string, text: string): void {
  mkdirSync(dirname(join(stage, path)), { recursive: true });
  writeFileSync(join(stage, path), gzipSync(text, { level: 9 }));
}

function everything(stage: string): string[] {
  return readdirSync(stage, { recursive: true, encoding: 'utf8' }).map((path) => join(stage, path));
}

function setMode(path: string): void {
  const entry = lstatSync(path);
  if (!entry.isSymbolicLink()) chmodSync(path, entry.isDirectory() ? 0o755 : 0o644);
}

function kilobytes(stage: string): number {
  const bytes = everything(stage).reduce((sum, path) => {
    const entry = lstatSync(path);
    return sum + (entry.isFile() ? Math.ceil(entry.size / 1024) : 1);
  }, 0);
  return Math.ceil(bytes);
}
