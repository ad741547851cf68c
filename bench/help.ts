/** What `npm run bench -- --help` says. */
import { DEFAULT_HUNG_SECONDS, FAULTS, FAULTS_TITLE } from './faults/scenario.js';
import { DEFAULT_ROUNDS, DEFAULT_SECONDS } from './options.js';
import { DEFAULT_PEERS, PEERS } from './peers/index.js';
import { SCENARIOS } from './scenarios.js';
import { DEFAULT_PROFILE, VOLUME_PROFILES } from './volume.js';

const list = (entries: Readonly<Record<string, { readonly title: string }>>): string =>
  Object.entries(entries)
    .map(([name, { title }]) => `  ${name.padEnd(18)}${title}`)
    .join('\n');

const ONLY_NAMED = [
  ...Object.keys(SCENARIOS).filter((name) => SCENARIOS[name]?.onlyWhenNamed === true),
  FAULTS,
];

export const help =
  (): string => `The same work for gfserve and what else serves from GlusterFS, on a cluster of its own.

Usage: npm run bench [-- SCENARIO... OPTIONS]

Scenarios (default: all but ${ONLY_NAMED.join(' and ')}):
${list(SCENARIOS)}
${list({ [FAULTS]: { title: FAULTS_TITLE } })}

Peers; each takes part in the scenarios that make sense for it:
${list(PEERS)}

Profiles of volume options:
${list(VOLUME_PROFILES)}

  --peers A,B            peers, in this order (default ${DEFAULT_PEERS.join(',')})
  --rounds N             rounds that count, after one that warms up (default ${DEFAULT_ROUNDS})
  --seconds S            how long a peer is measured in a round (default ${DEFAULT_SECONDS})
  --files N              at most so many files of each size, for shorter tries
  --hung S               how long the brick hangs in ${FAULTS} (default ${DEFAULT_HUNG_SECONDS})
  --load wrk|autocannon  what makes the load (default wrk, where it is installed); autocannon can't measure uwsgi
  --json FILE            write all raw figures to FILE
  --svg FILE             write a plot to FILE
  --from FILE            show the figures that --json wrote to FILE; nothing is run
  --strict               a goal that is missed makes the exit status 1
  --profile NAME         volume options (default ${DEFAULT_PROFILE})
  --volume-option K=V    one more volume option; may be repeated
  --gfserve-volume LINE  a line for gfserve's [volume] section, as "threads = 16"; may be repeated
  --other DIR            a built checkout of gfserve, for the peer gfserve-other
  --cache-section WHICH  which gfserves get a [cache] section: all (default), own (not gfserve-other), none;
                         for a gfserve that has no cache yet and refuses the section
  -h, --help

Exit status: 0 done, 1 failed or (with --strict) a goal missed, 2 wrong usage.`;
