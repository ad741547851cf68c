/**
 * The status as HTML: the page's <main>. Written by the server first and by the browser from then on, so it is pure, part of the
 * page's script, and imports nothing but other parts of that. All that is not ours is escaped.
 */
import {
  counted,
  escapeHtml,
  grouped,
  humanDuration,
  humanMs,
  humanRate,
  humanShare,
  humanSize,
} from '../words.js';
import { figure, type Plot } from './plot.js';
import type {
  BrickFigures,
  StatusClass,
  StatusReport,
  VolumeFigures,
  VolumeState,
} from './report.js';

/** Writes a time, for example in the time zone of who looks. */
export type Clock = (ms: number) => string;

const SIGNS: Readonly<Record<VolumeState, readonly [tone: string, sign: string]>> = {
  healthy: ['good', '●'],
  degraded: ['warn', '▲'],
  connecting: ['warn', '◌'],
  down: ['bad', '✕'],
  unknown: ['dim', '?'],
};
const SEVERITY: readonly VolumeState[] = ['down', 'connecting', 'unknown', 'degraded', 'healthy'];
const MOST_ROWS = 10;
/** More bricks than these are folded away, save those that are not connected. */
const MOST_BRICKS = 6;

const pill = (tone: string, sign: string, text: string): string =>
  `<span class="pill ${tone}"><span aria-hidden="true">${sign}</span> ${escapeHtml(text)}</span>`;

export function statusView(report: StatusReport, clock: Clock): string {
  return [
    summary(report),
    `<section aria-labelledby="volumes"><h2 id="volumes">Volumes</h2><div class="cards">
${worstFirst(report.volumes)
  .map((volume) => volumeCard(volume, Date.parse(report.at)))
  .join('')}</div></section>
`,
    `<section aria-labelledby="traffic"><h2 id="traffic">Traffic</h2><div class="plots${report.cache ? '' : ' four'}">
${plotsOf(report).map(figure).join('')}</div></section>
`,
    `<div class="pair">${jobsTable(report)}${mountsTable(report)}</div>
`,
    `<div class="pair">${workersTable(report)}${eventList(report, clock)}</div>
`,
  ].join('');
}

function summary(report: StatusReport): string {
  const { ready, missing, uptimeMs, workersReady, workersConfigured, restarts, reloads } = report;
  const lines = missing.map((line) => `<li>${escapeHtml(line)}</li>`).join('');
  const facts = [
    `up ${humanDuration(uptimeMs)}`,
    `${workersReady} of ${counted(workersConfigured, 'worker', 'workers')} ready`,
    ...(restarts === 0 ? [] : [counted(restarts, 'restart', 'restarts')]),
    ...(reloads.applied === 0 ? [] : [counted(reloads.applied, 'reload', 'reloads')]),
    ...(reloads.failed === 0 ? [] : [`${counted(reloads.failed, 'reload', 'reloads')} refused`]),
    ...(reloads.underWay ? ['a reload is under way'] : []),
    `process ${report.pid}`,
  ];
  return `<div class="summary">${ready ? pill('good', '●', 'Ready') : pill('bad', '✕', 'Not ready')}<p>${facts.map((fact) => `<span>${escapeHtml(fact)}</span>`).join(' ')}</p></div>
${lines === '' ? '' : `<ul class="missing">${lines}</ul>\n`}`;
}

/** What needs somebody's eye is not to be looked for. */
export const worstFirst = (all: readonly VolumeFigures[]): VolumeFigures[] =>
  [...all].sort((a, b) => SEVERITY.indexOf(a.state) - SEVERITY.indexOf(b.state));

function volumeCard(volume: VolumeFigures, nowMs: number): string {
  const { name, state, since, required, workers, threads, busy, stuck, queued, errors } = volume;
  const [tone, sign] = SIGNS[state];
  const states = Object.entries(workers);
  const where = states.map(([each, count]) => `${each} in ${counted(count, 'worker', 'workers')}`);
  const facts = [
    `for ${humanDuration(nowMs - Date.parse(since))}`,
    ...(states.length > 1 ? where : []),
    ...(required ? [] : ['not required']),
  ];
  const failed = Object.entries(errors).map(([code, count]) => `${code} ${grouped(count)}`);
  return `<article class="card ${tone}"><h3><bdi>${escapeHtml(name)}</bdi> ${pill(tone, sign, state)}</h3>
<p class="note">${escapeHtml(facts.join(', '))}</p>
${brickList(volume.bricks, nowMs)}${failed.length === 0 ? '' : `<p class="bad">Could not answer in the last minute: ${escapeHtml(failed.join(', '))}</p>\n`}<dl><div><dt>Threads busy</dt><dd>${busy} of ${threads}</dd></div><div><dt>Stuck</dt><dd${stuck > 0 ? ' class="bad"' : ''}>${stuck}</dd></div><div><dt>Queued</dt><dd>${grouped(queued)}</dd></div></dl>
</article>
`;
}

function brickList(bricks: readonly BrickFigures[], nowMs: number): string {
  if (bricks.length === 0) return '<p class="note">Its bricks are not known yet.</p>\n';
  const item = ({ text, up, since }: BrickFigures): string =>
    `<li class="${up ? 'good' : 'bad'}"><span aria-hidden="true">${up ? '●' : '✕'}</span><bdi>${escapeHtml(text)}</bdi><span>${up ? 'up' : 'down'} ${humanDuration(nowMs - Date.parse(since))}</span></li>`;
  const list = (some: readonly BrickFigures[]): string =>
    `<ul class="bricks">${some.map(item).join('')}</ul>\n`;
  if (bricks.length <= MOST_BRICKS) return list(bricks);
  const down = bricks.filter(({ up }) => !up);
  const up = bricks.filter((brick) => brick.up);
  return `${down.length === 0 ? '' : list(down)}<details><summary>${up.length} of ${bricks.length} bricks up</summary>${list(up)}</details>
`;
}

/** In the order of the page. */
export function plotsOf(report: StatusReport): Plot[] {
  const { history, requests, connections, cache } = report;
  const shared = { at: history.at, stepMs: history.stepMs, endMs: Date.parse(report.at) };
  const { classes, firstByte } = requests;
  const legend = (name: StatusClass): string =>
    `${name}: ${humanRate(classes[name].perSecond)}/s, ${grouped(classes[name].total)} in all`;
  const one = { ...shared, scale: 'stacked', top: null } as const;
  const plots: Plot[] = [
    {
      ...one,
      id: 'requests',
      title: 'Requests',
      now: `${humanRate(requests.perSecond)}/s`,
      note: `${counted(requests.total, 'request', 'requests')} since the start, ${grouped(requests.active)} under way`,
      format: (value) => `${humanRate(value)}/s`,
      series: [
        { label: legend('2xx'), colour: 's2', values: history.perSecond['2xx'] },
        { label: legend('3xx'), colour: 's3', values: history.perSecond['3xx'] },
        { label: legend('4xx'), colour: 's4', values: history.perSecond['4xx'] },
        { label: legend('5xx'), colour: 's5', values: history.perSecond['5xx'] },
        ...(classes.other.total === 0
          ? []
          : [{ label: legend('other'), colour: 's9', values: history.perSecond.other }]),
      ],
    },
    {
      ...one,
      id: 'latency',
      title: 'Time to the first byte',
      now: humanMs(firstByte.p50Ms),
      note: 'Over the last minute; what gfserve and the volumes need',
      scale: 'log',
      format: humanMs,
      series: [
        { label: `p50: ${humanMs(firstByte.p50Ms)}`, colour: 's2', values: history.p50Ms },
        { label: `p99: ${humanMs(firstByte.p99Ms)}`, colour: 's9', values: history.p99Ms },
      ],
    },
    {
      ...one,
      id: 'bytes',
      title: 'Sent',
      now: `${humanSize(requests.bytesPerSecond)}/s`,
      note: `${humanSize(requests.bytes)} since the start, ${counted(requests.incomplete, 'answer', 'answers')} cut short`,
      format: (value) => `${humanSize(value)}/s`,
      series: [{ label: 'sent', colour: 's2', values: history.bytesPerSecond }],
    },
    {
      ...one,
      id: 'connections',
      title: 'Connections',
      now: grouped(connections.open),
      note: `${grouped(connections.accepted)} accepted since the start`,
      format: (value) => grouped(Math.round(value * 10) / 10),
      top: 2,
      series: [{ label: 'open', colour: 's2', values: history.connections }],
    },
  ];
  if (!cache) return plots;
  const hits: Plot = {
    ...one,
    id: 'cache',
    title: 'Answered from memory',
    now: humanShare(cache.hitRatio),
    note: `${humanSize(cache.bytes)} of ${humanSize(cache.limitBytes)} taken by ${counted(cache.entries, 'entry', 'entries')}, ${grouped(cache.evictions)} given up`,
    format: humanShare,
    top: 1,
    series: [{ label: 'from memory', colour: 's2', values: history.hitRatio }],
  };
  return [...plots, hits];
}

interface Column {
  readonly title: string;
  /** What a narrow screen has no room for. */
  readonly wide?: boolean;
}

/** The first column is what the row is about. Cells are HTML. */
function table(
  id: string,
  title: string,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  empty: string,
): string {
  const attribute = (index: number): string => (columns[index]?.wide ? ' class="wide"' : '');
  const head = columns
    .map((column, index) => `<th scope="col"${attribute(index)}>${column.title}</th>`)
    .join('');
  const body = rows.map(
    (row) =>
      `<tr>${row
        .map((cell, index) =>
          index === 0 ? `<th scope="row">${cell}</th>` : `<td${attribute(index)}>${cell}</td>`,
        )
        .join('')}</tr>`,
  );
  const content =
    rows.length === 0
      ? `<p class="note">${empty}</p>`
      : `<table><thead><tr>${head}</tr></thead><tbody>
${body.join('\n')}
</tbody></table>`;
  return `<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>${content}</section>
`;
}

function jobsTable({ volumes }: StatusReport): string {
  const jobs = volumes
    .flatMap(({ name, jobs: all }) => all.map((job) => ({ volume: name, ...job })))
    .filter(({ p99Ms }) => p99Ms !== null)
    .sort((a, b) => (b.p99Ms ?? 0) - (a.p99Ms ?? 0))
    .slice(0, MOST_ROWS);
  return table(
    'jobs',
    'Slowest jobs',
    [{ title: 'Volume, job' }, { title: 'Rate' }, { title: 'p50' }, { title: 'p99' }],
    jobs.map(({ volume, operation, perSecond, p50Ms, p99Ms }) => [
      `<bdi>${escapeHtml(volume)}</bdi> ${escapeHtml(operation)}`,
      `${humanRate(perSecond)}/s`,
      humanMs(p50Ms),
      humanMs(p99Ms),
    ]),
    'No volume was asked for anything in the last minute.',
  );
}

function mountsTable({ mounts }: StatusReport): string {
  return table(
    'mounts',
    'Busiest mounts',
    [
      { title: 'Mount' },
      { title: 'Requests' },
      { title: 'Sent', wide: true },
      { title: 'p99' },
      { title: 'Failed' },
    ],
    mounts
      .slice(0, MOST_ROWS)
      .map(({ name, perSecond, bytesPerSecond, p99Ms, failed }) => [
        name === '-' ? 'none' : `<bdi>${escapeHtml(name)}</bdi>`,
        `${humanRate(perSecond)}/s`,
        `${humanSize(bytesPerSecond)}/s`,
        humanMs(p99Ms),
        failed === 0 ? '0' : `<span class="bad">${grouped(failed)}</span>`,
      ]),
    'There are none.',
  );
}

const WORKER_TONES = { ready: 'good', starting: 'warn', draining: 'dim', silent: 'bad' } as const;

function workersTable({ processes }: StatusReport): string {
  return table(
    'workers',
    'Workers',
    [
      { title: 'Worker' },
      { title: 'Up' },
      { title: 'Busy' },
      { title: 'Memory' },
      { title: 'Connections', wide: true },
    ],
    processes.map(({ number, pid, state, uptimeMs, busy, memoryBytes, connections }) => [
      `${number} <span class="${WORKER_TONES[state]}">${state}</span> <small>${pid ?? ''}</small>`,
      uptimeMs === null ? '–' : humanDuration(uptimeMs),
      humanShare(busy),
      memoryBytes === null ? '–' : humanSize(memoryBytes),
      grouped(connections),
    ]),
    'No worker is running.',
  );
}

const EVENT_SIGNS = { good: '●', bad: '✕', neutral: '○' } as const;

function eventList({ events }: StatusReport, clock: Clock): string {
  const items = events.map(
    ({ at, tone, text }) =>
      `<li class="${tone}"><span aria-hidden="true">${EVENT_SIGNS[tone]}</span><time datetime="${escapeHtml(at)}">${escapeHtml(clock(Date.parse(at)))}</time> <span>${escapeHtml(text)}</span></li>`,
  );
  const list =
    items.length === 0
      ? '<p class="note">Nothing has happened since the start.</p>'
      : `<ol class="events">
${items.join('\n')}
</ol>`;
  return `<section aria-labelledby="events"><h2 id="events">Last events</h2>${list}</section>
`;
}
