/** The soak's command line. */
import { parseArgs } from 'node:util';

export const HELP = `gfserve under load while everything around it fails, each answer checked.

Usage: npm run soak [-- OPTIONS]               all kinds of faults, at random
       npm run soak -- topology [OPTIONS]      bricks added, removed and replaced, options set
       npm run soak -- fresh [OPTIONS]         how soon changes are seen through the cache
       npm run soak -- cache [OPTIONS]         the cache over more files than it holds, with churn
       npm run soak -- reload [OPTIONS]        20 reloads, 5 of them refused, and 2 upgrades, under load
       npm run soak -- log [OPTIONS]           a line for each request, over 50 rotations and on a full disk

  --minutes N    how long the faults go on, the first minute being the measure (default 15; cache: 10;
                 reload: 1)
  --cycles N     how many changes of the bricks (default 20; topology only)
  --writes N     how many changes are measured (default 1000; fresh only)
  --files N      how many files there are (default 200000; cache only)
  --requests N   how many requests are logged (default 10000000; log only)
  --seed S       the same faults in the same order as a former run's
  --log FILE     where gfserve's log goes (default: it is shown when something was wrong)
  -h, --help

Exit status: 0 all was well, 1 something was wrong, 2 wrong usage, 130 or 143 interrupted.`;

export type Kind = (typeof KINDS)[number];

const KINDS = ['mix', 'topology', 'fresh', 'cache', 'reload', 'log'] as const;

const DEFAULT_MINUTES: Readonly<Record<Kind, number>> = {
  mix: 15,
  topology: 15,
  fresh: 15,
  cache: 10,
  reload: 1,
  log: 15,
};

export interface Options {
  readonly kind: Kind;
  readonly minutes: number;
  readonly cycles: number;
  readonly writes: number;
  readonly files: number;
  readonly requests: number;
  readonly seed: number;
  readonly log: string | null;
}

export class UsageError extends Error {}

function number(text: string | undefined, what: string, fallback: number, max: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new UsageError(`${what} must be a whole number from 1 to ${max}, not ${text}`);
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        minutes: { type: 'string' },
        cycles: { type: 'string' },
        writes: { type: 'string' },
        files: { type: 'string' },
        requests: { type: 'string' },
        seed: { type: 'string' },
        log: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** null: help was asked for. @throws UsageError */
export function readOptions(argv: readonly string[]): Options | null {
  const { values, positionals } = parse(argv);
  if (values.help === true) return null;
  const [word = 'mix', ...more] = positionals;
  const kind = KINDS.find((each) => each === word);
  if (kind === undefined || more.length > 0) {
    throw new UsageError(`no such run: ${positionals.join(' ')}`);
  }
  return {
    kind,
    minutes: number(values.minutes, '--minutes', DEFAULT_MINUTES[kind], 10_000),
    cycles: number(values.cycles, '--cycles', 20, 10_000),
    writes: number(values.writes, '--writes', 1000, 1_000_000),
    files: number(values.files, '--files', 200_000, 10_000_000),
    requests: number(values.requests, '--requests', 10_000_000, 1_000_000_000),
    seed: number(values.seed, '--seed', 1 + Math.floor(Math.random() * 0xfffffffe), 0xffffffff),
    log: values.log ?? null,
  };
}
