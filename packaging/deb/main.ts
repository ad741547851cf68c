/** `npm run deb`: makes gfserve_VERSION_ARCH.deb in the current folder; with --check also installs and runs it in a clean system. */
import { parseArgs } from 'node:util';
import { buildDeb } from './build.js';
import { checkDeb } from './check.js';

const USAGE = `Makes the Debian package.

Usage: npm run deb [-- OPTIONS]

  --to DIR   where it goes (default: the current folder)
  --quick    quick to make rather than small
  --check    as root: install it in a clean system of this Debian's release, serve a file of a real volume from it,
             remove it, purge it; takes some minutes
  -h, --help

Exit status: 0 done, 1 failed.
`;

const { values } = parseArgs({
  options: {
    to: { type: 'string', default: '.' },
    quick: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);

if (values.help) {
  process.stdout.write(USAGE);
} else {
  const file = buildDeb({ to: values.to, quick: values.quick });
  say(file);
  if (values.check) await checkDeb(file, say);
}
