/** What the package says of itself: control, copyright, changelog. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Dependency } from './program.js';
import { run } from './run.js';

/** From package.json. */
export interface Manifest {
  readonly version: string;
}

export function manifest(root: string): Manifest {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
}

/** Whoever builds it, by the variables that Debian's tools use. */
const { DEBFULLNAME = 'The gfserve authors', DEBEMAIL = 'gfserve@localhost' } = process.env;
const MAINTAINER = `${DEBFULLNAME} <${DEBEMAIL}>`;

/** As Debian calls this machine. */
export const architecture = (): string => run('dpkg', ['--print-architecture']).trim();

/** At least what the addon was compiled with. */
function since(name: string): string {
  const version = run('dpkg-query', ['-W', '-f', `\${Version}`, name]).replace(/^\d+:/, '');
  return `${name} (>= ${/^\d+\.\d+/.exec(version)?.[0] ?? version})`;
}

/** `kilobytes`: installed. */
export function control({ version }: Manifest, kilobytes: number): string {
  // glusterfs-common has the client's xlators, which libgfapi0 loads without depending on them.
  const depends = [
    'adduser',
    'init-system-helpers (>= 1.54)',
    ...['libc6', 'libgcc-s1', 'libstdc++6', 'libgfapi0', 'glusterfs-common'].map(since),
  ];
  return `Package: gfserve
Version: ${version}
Architecture: ${architecture()}
Maintainer: ${MAINTAINER}
Installed-Size: ${kilobytes}
Depends: ${depends.join(', ')}
Suggests: logrotate, nginx, prometheus
Section: httpd
Priority: optional
Description: HTTP server for files on GlusterFS volumes
 It reads them through libgfapi, GlusterFS' own client library, in its own
 process: no FUSE mount, no NFS export, no copy on a local disk. It stands
 behind nginx or faces clients by itself, and only reads.
 .
 It runs on Node.js ${process.versions.node}, which is part of the package.
`;
}

/** In Debian's form, of the one entry that there is: CHANGELOG.md has them all. */
export function changelog({ version }: Manifest, seconds: number): string {
  const date = run('date', ['-u', '-R', '-d', `@${seconds}`]).trim();
  return `gfserve (${version}) unstable; urgency=medium

  * What has changed is in /usr/share/doc/gfserve/CHANGELOG.md.gz.

 -- ${MAINTAINER}  ${date}
`;
}

/** As the machine-readable form wants texts: indented, empty lines as dots. */
const indented = (text: string): string =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : ` ${line.trimEnd()}`))
    .join('\n');

const APACHE =
  'On Debian systems the text of the Apache License 2.0 is in\n/usr/share/common-licenses/Apache-2.0.';

/** The licence file of an npm package; '' where it has none, and package.json alone names it. */
function licenceOf(folder: string): string {
  const name = readdirSync(folder).find((each) => /^(licen[cs]e|copying)/i.test(each));
  return name === undefined ? '' : readFileSync(join(folder, name), 'utf8');
}

function termsOf(license: string, text: string): string {
  // Debian has that one already, and wants no copies of it.
  if (/apache/i.test(license)) return APACHE;
  return text === '' ? `Licensed under ${license}, as its package.json says.` : text;
}

export function copyright(root: string, all: readonly Dependency[], nodeLicence: string): string {
  const stanzas = all.map(({ path, version, license }) => {
    const text = licenceOf(join(root, path));
    const holder = /^.*copyright.*\d{4}.*$/im.exec(text)?.[0].trim() ?? 'its authors';
    const name = `${license || 'see-below'}-${path.split('/').slice(1).join('-').replace('@', '')}`;
    return `Files: usr/lib/gfserve/${path}/*
Copyright: ${holder}
License: ${name.replaceAll(/[^\w.+-]/g, '-')}
 Version ${version} of an npm package.
 .
${indented(termsOf(license, text))}
`;
  });
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: gfserve

Files: *
Copyright: the gfserve authors
License: Apache-2.0
${indented(APACHE)}
 .
 Notices:
 .
${indented(readFileSync(join(root, 'NOTICE'), 'utf8'))}

Files: usr/lib/gfserve/bin/node
Copyright: Node.js contributors, Joyent, Inc. and others
License: Node.js
${indented(nodeLicence)}

${stanzas.join('\n')}`;
}
