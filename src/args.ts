import { parseArgs } from 'node:util';
import { didYouMean } from './config/suggest.js';

export type Command =
  | { readonly kind: 'serve'; readonly file: string }
  | { readonly kind: 'check'; readonly file: string; readonly connect: boolean }
  /** At least one of the two is given; null: it is not. */
  | {
      readonly kind: 'reload' | 'upgrade';
      readonly file: string | null;
      readonly pidFile: string | null;
    }
  | {
      readonly kind: 'status';
      readonly file: string;
      readonly json: boolean;
      readonly watch: boolean;
    }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' };

export type ParsedArgs =
  | { readonly ok: true; readonly command: Command }
  | { readonly ok: false; readonly message: string };

export const USAGE = `gfserve serves files of GlusterFS volumes over HTTP.

Usage:
  gfserve [serve] --config FILE           serve; SIGTERM or Ctrl-C finishes what is under way and stops
  gfserve check --config FILE             check the configuration and start nothing
  gfserve check --config FILE --connect   also connect each volume, and say how long it took and through which server
  gfserve reload --config FILE            have the gfserve that runs with FILE read it anew, and say what came of it
  gfserve upgrade --config FILE           have it start the program anew, as it is on the disk now, and hand over to it
  gfserve status --config FILE            show how the gfserve that runs with FILE is doing
  gfserve version

Options:
  -c, --config FILE   the configuration
      --connect       with check
      --pid-file FILE with reload and upgrade: where the process number is; by default what [server] pid-file says
      --json          with status: as JSON, for scripts
      --watch         with status: again every 2 s, until Ctrl-C
  -h, --help          this text
  -V, --version       the version

Exit status: 0 all went well, 1 it failed, 2 the command line is wrong; after a second signal 130 (SIGINT) or
143 (SIGTERM). Of status: 0 gfserve is ready, 1 it runs and is not ready, 3 it can't be asked.
GFSERVE_LOG_STYLE=text or json chooses how the log is written; by default a terminal gets text.
`;

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  connect: { type: 'boolean' },
  'pid-file': { type: 'string' },
  json: { type: 'boolean' },
  watch: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'V' },
} as const;

const COMMANDS = ['serve', 'check', 'reload', 'upgrade', 'status', 'version', 'help'];
/** Options that take a file's name. */
const FILES = ['config', 'pid-file'];

const wrong = (message: string): ParsedArgs => ({ ok: false, message });

/** Reads the command line, without node and the script. Reads no file. */
export function readArgs(args: readonly string[]): ParsedArgs {
  // Not strict: its messages suggest nothing, and it would take the first mistake for the only one worth a word.
  const { tokens } = parseArgs({
    args: [...args],
    options: OPTIONS,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const options = new Map<string, string | undefined>();
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const problem = optionProblem(token);
    if (problem !== null) return wrong(problem);
    if (options.has(token.name)) return wrong(`${token.rawName} is given twice`);
    options.set(token.name, token.value);
  }
  return command(words, options);
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function optionProblem({ name, rawName, value, inlineValue }: OptionToken): string | null {
  if (!Object.hasOwn(OPTIONS, name)) {
    const known = Object.keys(OPTIONS).map((each) => `--${each}`);
    return `there is no option ${rawName}${didYouMean(rawName, known)}`;
  }
  if (!FILES.includes(name)) return inlineValue ? `${rawName} takes no value` : null;
  // `--config --connect`: more likely a forgotten name than a file of that name, which `--config=--connect` can say.
  const isMissing = value === undefined || value === '' || (!inlineValue && value.startsWith('-'));
  return isMissing ? `${rawName} needs the name of a file` : null;
}

function command(
  words: readonly string[],
  options: ReadonlyMap<string, string | undefined>,
): ParsedArgs {
  const [name = 'serve', extra] = words;
  if (!COMMANDS.includes(name)) {
    return wrong(`there is no command ${JSON.stringify(name)}${didYouMean(name, COMMANDS)}`);
  }
  if (options.has('help') || name === 'help') return { ok: true, command: { kind: 'help' } };
  if (options.has('version') || name === 'version') {
    return { ok: true, command: { kind: 'version' } };
  }
  if (extra !== undefined) {
    return wrong(`${JSON.stringify(extra)} is one word too many; a file goes behind --config`);
  }
  const json = options.has('json');
  const watch = options.has('watch');
  if (name !== 'status' && (json || watch)) {
    return wrong(`--${json ? 'json' : 'watch'} goes with status only`);
  }
  const connect = options.has('connect');
  if (name !== 'check' && connect) return wrong('--connect goes with check only');
  const pidFile = options.get('pid-file');
  const asks = name === 'reload' || name === 'upgrade';
  if (!asks && pidFile !== undefined) return wrong('--pid-file goes with reload and upgrade only');
  const file = options.get('config');
  if (asks) {
    if (file === undefined && pidFile === undefined) {
      return wrong(`${name} needs --config FILE or --pid-file FILE`);
    }
    return { ok: true, command: { kind: name, file: file ?? null, pidFile: pidFile ?? null } };
  }
  if (file === undefined) return wrong(`${name} needs --config FILE`);
  if (name === 'status') return { ok: true, command: { kind: 'status', file, json, watch } };
  return {
    ok: true,
    command: name === 'check' ? { kind: 'check', file, connect } : { kind: 'serve', file },
  };
}
