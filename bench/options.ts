/** The command line of `npm run bench`. See HELP. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DEFAULT_HUNG_SECONDS, FAULTS, FAULTS_TITLE } from './faults/scenario.js';
import { DEFAULT_PEERS, PEERS } from './peers/index.js';
import { SCENARIOS } from './scenarios.js';
import { DEFAULT_PROFILE, VOLUME_PROFILES } from './volume.js';

export interface Options {
  /** Those that measure speed. */
  readonly scenarios: readonly string[];
  /** The scenario with the hung brick; it has a cluster of its own. */
  readonly faults: boolean;
  /** How long that brick hangs. */
  readonly hungSeconds: number;
  readonly peers: readonly string[];
  readonly rounds: number;
  /** How long one peer is measured in one round, in seconds. */
  readonly seconds: number;
  /** Where the raw figures go as JSON; null: nowhere. */
  readonly json: string | null;
  readonly strict: boolean;
  /** The volume's options: a profile's, and over them those of the command line. */
  readonly volumeOptions: Readonly<Record<string, string>>;
  /** Further lines of gfserve's `[volume]` section. */
  readonly gfserveVolume: readonly string[];
  /** Another built checkout of gfserve, as an absolute path; null: none. */
  readonly other: string | null;
}

export class UsageError extends Error {}

const list = (entries: Readonly<Record<string, { readonly title: string }>>): string =>
  Object.entries(entries)
    .map(([name, { title }]) => `  ${name.padEnd(18)}${title}`)
    .join('\n');

export const help =
  (): string => `The same work against gfserve and what else serves from GlusterFS, on a cluster of its own.

Usage: npm run bench [-- SCENARIO... OPTIONS]

Scenarios (default: all but ${FAULTS}):
${list(SCENARIOS)}
${list({ [FAULTS]: { title: FAULTS_TITLE } })}

Peers:
${list(PEERS)}

Profiles of volume options:
${list(VOLUME_PROFILES)}

  --peers A,B            peers, in this order (default ${DEFAULT_PEERS.join(',')})
  --rounds N             rounds that count, after one that warms up (default 3)
  --seconds S            how long a peer is measured in a round (default 10)
  --hung S               how long the brick hangs in ${FAULTS} (default ${DEFAULT_HUNG_SECONDS})
  --json FILE            write all raw figures to FILE
  --strict               a goal that is missed makes the exit status 1
  --profile NAME         volume options (default ${DEFAULT_PROFILE})
  --volume-option K=V    one more volume option; may be repeated
  --gfserve-volume LINE  a line for gfserve's [volume] section, as "threads = 16"; may be repeated
  --other DIR            a built checkout of gfserve, for the peer gfserve-other
  -h, --help

Exit status: 0 done, 1 failed or (with --strict) a goal missed, 2 wrong usage.`;

function number(text: string | undefined, what: string, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 3600) {
    throw new UsageError(`${what} must be a whole number from 1 to 3600, not ${text}`);
  }
  return value;
}

function names(
  given: readonly string[],
  known: Readonly<Record<string, unknown>>,
  what: string,
): readonly string[] {
  for (const name of given) {
    if (!Object.hasOwn(known, name)) throw new UsageError(`no such ${what}: ${name}`);
  }
  return [...new Set(given)];
}

function keyValue(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`${text} is not KEY=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        peers: { type: 'string' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        hung: { type: 'string' },
        json: { type: 'string' },
        strict: { type: 'boolean' },
        profile: { type: 'string' },
        'volume-option': { type: 'string', multiple: true },
        'gfserve-volume': { type: 'string', multiple: true },
        other: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** null: help was asked for. @throws UsageError */
export function readOptions(argv: readonly string[]): Options | null {
  const { values, positionals } = parse(argv);
  if (values.help === true) return null;
  const peers = values.peers === undefined ? DEFAULT_PEERS : values.peers.split(',');
  if (peers.includes('gfserve-other') && values.other === undefined) {
    throw new UsageError('the peer gfserve-other needs --other DIR');
  }
  const named = positionals.length === 0 ? Object.keys(SCENARIOS) : positionals;
  const scenarios = names(named, { ...SCENARIOS, [FAULTS]: null }, 'scenario');
  const profile = values.profile ?? DEFAULT_PROFILE;
  names([profile], VOLUME_PROFILES, 'profile');
  return {
    scenarios: scenarios.filter((name) => name !== FAULTS),
    faults: scenarios.includes(FAULTS),
    hungSeconds: number(values.hung, '--hung', DEFAULT_HUNG_SECONDS),
    peers: names(peers, PEERS, 'peer'),
    rounds: number(values.rounds, '--rounds', 3),
    seconds: number(values.seconds, '--seconds', 10),
    json: values.json ?? null,
    strict: values.strict === true,
    volumeOptions: {
      ...VOLUME_PROFILES[profile]?.options,
      ...Object.fromEntries((values['volume-option'] ?? []).map(keyValue)),
    },
    gfserveVolume: values['gfserve-volume'] ?? [],
    other: values.other === undefined ? null : resolve(values.other),
  };
}
