/** What people read of the scenario `faults`. */
import type { Verdict } from '../goals.js';
import { SUBJECT } from '../peers/index.js';

import { figure, renderTable } from '../table.js';
import { CLIENT_TIMEOUT_MS, RATE } from './load.js';
import { VOLUME_A, VOLUME_B } from './peers.js';
import { FAULTS, type FaultRecord, type FaultResult, PHASES, type Phase } from './scenario.js';
import type { Tally } from './tally.js';

const TARGETS = [VOLUME_A, VOLUME_B, 'local'] as const;

const cells = (tally: Tally | undefined): string[] =>
  tally === undefined
    ? ['-', '', '']
    : [
        `${figure(tally.right, 0)}/${figure(tally.sent, 0)}`,
        figure(tally.failed, 0),
        figure(tally.timedOut, 0),
      ];

function row(name: string, phase: Phase, { phases }: FaultResult): string[] {
  const tallies = phases[phase];
  const a = tallies[VOLUME_A];
  const times = [a?.p50Ms, a?.p99Ms, a?.maxMs].map((ms) => figure(ms ?? Number.NaN, 0));
  const label = phase === 'before' ? name : '';
  return [label, phase, ...TARGETS.flatMap((target) => cells(tallies[target])), ...times];
}

/** What the failures were, where there were any. */
function failures(name: string, { phases }: FaultResult): string[] {
  return PHASES.flatMap((phase) =>
    Object.entries(phases[phase])
      .filter(([, { failed }]) => failed > 0)
      .map(([target, { why }]) => {
        const texts = Object.entries(why).map(
          ([what, count]) => `${what} ${figure(count, 0)} times`,
        );
        return `  ${name}, ${phase}, ${target}: ${texts.join(', ')}`;
      }),
  );
}

export function renderFaults({ hungSeconds, peers }: FaultRecord): string {
  const counts = ['right', 'failed', 'timed out'];
  const head = [
    '',
    '',
    ...TARGETS.flatMap((target) => counts.map((count) => `${target} ${count}`)),
    ...['a p50 ms', 'p99 ms', 'max ms'],
  ];
  const rows = Object.entries(peers).flatMap(([name, result]) =>
    PHASES.map((phase) => row(name, phase, result)),
  );
  return [
    `${FAULTS}: ${RATE} requests/s each to volume a, volume b and the local disk; the only brick of b hangs for ${hungSeconds} s; clients wait ${CLIENT_TIMEOUT_MS / 1000} s`,
    '',
    renderTable([head, ...rows]),
    ...Object.entries(peers).flatMap(([name, result]) => failures(name, result)),
    '',
  ].join('\n');
}

/** The neighbours of the volume that hangs are all served, at all times; and so is that volume before and after. */
export function judgeFaults({ peers }: FaultRecord): Verdict {
  const wanted = `${FAULTS}: ${SUBJECT} serves all of volume a while b hangs`;
  const subject = peers[SUBJECT];
  if (subject === undefined) return { met: null, text: `----  ${wanted}: not measured` };
  const all = PHASES.map((phase) => subject.phases[phase][VOLUME_A]);
  const sent = all.reduce((sum, tally) => sum + (tally?.sent ?? 0), 0);
  const right = all.reduce((sum, tally) => sum + (tally?.right ?? 0), 0);
  const met = sent > 0 && right === sent;
  return { met, text: `${met ? 'PASS' : 'MISS'}  ${wanted}: ${right} of ${sent}` };
}
