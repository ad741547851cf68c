/** The demo's command line. */
import { parseArgs } from 'node:util';

export const HELP = `A GlusterFS cluster, a small site on it and gfserve in front, on this machine.

Usage: npm run demo [-- OPTIONS]

      --check     start it, compare what is served with what is on the volumes, take it down
      --port N    where gfserve listens on 127.0.0.1 (default 8080)
  -h, --help

Without --check it runs until Ctrl-C, and then takes away everything it has started.

Exit status: 0 all went well, 1 it failed, 2 wrong usage, 130 or 143 interrupted while it started or checked.`;

export interface Options {
  readonly kind: 'run';
  readonly check: boolean;
  /** null: not given. */
  readonly port: number | null;
}

export class UsageError extends Error {}

/** @throws UsageError */
export function readOptions(argv: readonly string[]): Options | { readonly kind: 'help' } {
  const { help = false, check = false, port } = parse(argv);
  if (help) return { kind: 'help' };
  return { kind: 'run', check, port: port === undefined ? null : readPort(port) };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        check: { type: 'boolean' },
        port: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) throw new UsageError(`--port ${text}: not a port from 1 to 65535`);
  return port;
}
