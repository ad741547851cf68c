/** The command line of `npm run bench`. See help.ts. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { PARTS } from './dataset/parts.js';
import { DEFAULT_HUNG_SECONDS, FAULTS } from './faults/scenario.js';
import { defaultGenerator, GENERATORS } from './load/generators.js';
import { DEFAULT_PEERS, PEERS } from './peers/index.js';
import type { CacheSection } from './peers/peer.js';
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
  /** No part of the dataset has more files. */
  readonly mostFiles: number;
  /** What makes the load. */
  readonly generator: string;
  /** Where the raw figures go as JSON; null: nowhere. */
  readonly json: string | null;
  /** Where the plot goes; null: nowhere. */
  readonly svg: string | null;
  /** An earlier run's JSON, to be shown instead of a run; null: none. */
  readonly from: string | null;
  readonly strict: boolean;
  /** The volume's options: a profile's, and over them those of the command line. */
  readonly volumeOptions: Readonly<Record<string, string>>;
  /** Further lines of gfserve's `[volume]` section. */
  readonly gfserveVolume: readonly string[];
  readonly cacheSection: CacheSection;
  /** Another built checkout of gfserve, as an absolute path; null: none. */
  readonly other: string | null;
}

export class UsageError extends Error {}

export const DEFAULT_ROUNDS = 3;
export const DEFAULT_SECONDS = 5;
export const CACHE_SECTIONS = ['all', 'own', 'none'] as const satisfies readonly CacheSection[];

function number(text: string | undefined, what: string, fallback: number, most = 3600): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new UsageError(`${what} must be a whole number from 1 to ${most}, not ${text}`);
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
        files: { type: 'string' },
        load: { type: 'string' },
        json: { type: 'string' },
        svg: { type: 'string' },
        from: { type: 'string' },
        strict: { type: 'boolean' },
        profile: { type: 'string' },
        'volume-option': { type: 'string', multiple: true },
        'gfserve-volume': { type: 'string', multiple: true },
        'cache-section': { type: 'string' },
        other: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

const BY_DEFAULT: readonly string[] = Object.entries(SCENARIOS)
  .filter(([, { onlyWhenNamed }]) => !onlyWhenNamed)
  .map(([name]) => name);

function cacheSection(text: string | undefined): CacheSection {
  if (text === undefined) return 'all';
  const section = CACHE_SECTIONS.find((known) => known === text);
  if (section === undefined) {
    throw new UsageError(`--cache-section must be ${CACHE_SECTIONS.join(', ')}, not ${text}`);
  }
  return section;
}

/** Which volume options: a profile's, and over them single ones. */
function volumeOptions(profile: string, single: readonly string[]): Record<string, string> {
  names([profile], VOLUME_PROFILES, 'profile');
  return { ...VOLUME_PROFILES[profile]?.options, ...Object.fromEntries(single.map(keyValue)) };
}

/** null: help was asked for. @throws UsageError */
export function readOptions(argv: readonly string[]): Options | null {
  const { values, positionals } = parse(argv);
  if (values.help === true) return null;
  const peers = values.peers === undefined ? DEFAULT_PEERS : values.peers.split(',');
  if (peers.includes('gfserve-other') && values.other === undefined) {
    throw new UsageError('the peer gfserve-other needs --other DIR');
  }
  const named = positionals.length === 0 ? BY_DEFAULT : positionals;
  const scenarios = names(named, { ...SCENARIOS, [FAULTS]: null }, 'scenario');
  const generator = values.load ?? defaultGenerator();
  names([generator], GENERATORS, 'load generator');
  const { count } = PARTS.many;
  return {
    scenarios: scenarios.filter((name) => name !== FAULTS),
    faults: scenarios.includes(FAULTS),
    hungSeconds: number(values.hung, '--hung', DEFAULT_HUNG_SECONDS),
    peers: names(peers, PEERS, 'peer'),
    rounds: number(values.rounds, '--rounds', DEFAULT_ROUNDS),
    seconds: number(values.seconds, '--seconds', DEFAULT_SECONDS),
    mostFiles: number(values.files, '--files', count, count),
    generator,
    json: values.json ?? null,
    svg: values.svg ?? null,
    from: values.from ?? null,
    strict: values.strict === true,
    volumeOptions: volumeOptions(values.profile ?? DEFAULT_PROFILE, values['volume-option'] ?? []),
    gfserveVolume: values['gfserve-volume'] ?? [],
    cacheSection: cacheSection(values['cache-section']),
    other: values.other === undefined ? null : resolve(values.other),
  };
}
