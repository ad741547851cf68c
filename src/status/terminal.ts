/** The status for a terminal: lines of text. Pure. */
import { oneLine } from '../observe/log.js';
import {
  counted,
  grouped,
  humanDuration,
  humanMs,
  humanRate,
  humanShare,
  humanSize,
} from '../words.js';
import {
  CLASSES,
  type HistoryColumns,
  type StatusReport,
  type VolumeFigures,
  type VolumeState,
} from './report.js';
import { worstFirst } from './view.js';

export interface TerminalStyle {
  /** Columns; no line is longer. */
  readonly width: number;
  readonly colour: boolean;
  /** Whether it shows more than ASCII. */
  readonly unicode: boolean;
}

type Tone = 'good' | 'warn' | 'bad' | 'dim' | 'bold' | 'plain';

/** A piece of a line. */
interface Piece {
  readonly text: string;
  readonly tone: Tone;
}

type Line = readonly Piece[];

const CODES: Readonly<Record<Tone, string>> = {
  good: '32',
  warn: '33',
  bad: '31',
  dim: '2',
  bold: '1',
  plain: '',
};

const STATE_TONES: Readonly<Record<VolumeState, Tone>> = {
  healthy: 'good',
  degraded: 'warn',
  connecting: 'warn',
  down: 'bad',
  unknown: 'dim',
};
const WORKER_TONES = { ready: 'good', starting: 'warn', draining: 'dim', silent: 'bad' } as const;
const EVENT_TONES = { good: 'good', bad: 'bad', neutral: 'dim' } as const;

const MOST_ROWS = 8;
const MOST_EVENTS = 8;
const NARROWEST = 20;
const LONGEST_SPARK = 60;

const piece = (text: string, tone: Tone = 'plain'): Piece => ({ text, tone });
const EMPTY: Line = [];

export function statusLines(report: StatusReport, style: TerminalStyle): string[] {
  const lines: Line[] = [
    ...headLines(report),
    EMPTY,
    ...trafficLines(report, style),
    EMPTY,
    ...volumeLines(report),
    ...jobLines(report),
    EMPTY,
    ...mountLines(report),
    EMPTY,
    ...workerLines(report),
    ...eventLines(report),
  ];
  return lines.map((line) => painted(line, style));
}

function headLines(report: StatusReport): Line[] {
  const { version, host, ready, missing, uptimeMs, workersReady, workersConfigured } = report;
  const facts = [
    `up ${humanDuration(uptimeMs)}`,
    `${workersReady} of ${counted(workersConfigured, 'worker', 'workers')} ready`,
    `process ${report.pid}`,
  ];
  return [
    [
      piece(`gfserve ${version}`, 'bold'),
      piece(` on ${host}  `),
      ready ? piece('ready', 'good') : piece('not ready', 'bad'),
      piece(`  ${facts.join(', ')}`, 'dim'),
    ],
    ...missing.map((text) => [piece(`  ${text}`, 'bad')]),
  ];
}

const total = ({ perSecond }: HistoryColumns): number[] =>
  perSecond['2xx'].map((_, index) =>
    CLASSES.reduce((sum, each) => sum + (perSecond[each][index] ?? 0), 0),
  );

function trafficLines(report: StatusReport, style: TerminalStyle): Line[] {
  const { requests, connections, cache, history } = report;
  const { classes, firstByte } = requests;
  const size = Math.max(10, Math.min(LONGEST_SPARK, style.width - 32));
  const row = (
    name: string,
    now: string,
    values: readonly (number | null)[],
    top: number | null = null,
  ): Line => [
    piece(name.padEnd(14), 'dim'),
    piece(now.padStart(14), 'bold'),
    piece(`  ${sparkline(values, size, style.unicode, top)}`, 'good'),
  ];
  const byClass = (['2xx', '3xx', '4xx', '5xx'] as const).map((each) => {
    const isBad = each === '5xx' && classes[each].perSecond > 0;
    return piece(`${each} ${humanRate(classes[each].perSecond)}/s   `, isBad ? 'bad' : 'plain');
  });
  const memory = cache
    ? [
        row('from memory', humanShare(cache.hitRatio), history.hitRatio, 1),
        [
          piece(''.padEnd(30)),
          piece(`${humanSize(cache.bytes)} of ${humanSize(cache.limitBytes)} taken`, 'dim'),
        ],
      ]
    : [];
  const [oldest] = history.at;
  const span =
    oldest === undefined
      ? 'no history yet'
      : `the last ${humanDuration(Date.parse(report.at) - oldest + history.stepMs)}`;
  return [
    [piece(''.padEnd(30)), piece(span, 'dim')],
    row('requests', `${humanRate(requests.perSecond)}/s`, total(history)),
    [piece(''.padEnd(30)), ...byClass],
    row('first byte p50', humanMs(firstByte.p50Ms), history.p50Ms),
    row('           p99', humanMs(firstByte.p99Ms), history.p99Ms),
    row('sent', `${humanSize(requests.bytesPerSecond)}/s`, history.bytesPerSecond),
    row('connections', grouped(connections.open), history.connections),
    ...memory,
  ];
}

function volumeLines({ volumes, at }: StatusReport): Line[] {
  const nowMs = Date.parse(at);
  const sorted = worstFirst(volumes);
  const rows = table(
    ['VOLUME', 'STATE', '>FOR', '>BRICKS UP', '>BUSY', '>STUCK', '>QUEUED', '>FAILED/MIN'],
    sorted.map(({ name, state, since, bricks, busy, threads, stuck, queued, errors }) => {
      const failed = Object.values(errors).reduce((sum, each) => sum + each, 0);
      const up = bricks.filter((brick) => brick.up).length;
      return [
        piece(name, 'bold'),
        piece(state, STATE_TONES[state]),
        piece(humanDuration(nowMs - Date.parse(since))),
        piece(`${up} of ${bricks.length}`, up < bricks.length ? 'bad' : 'plain'),
        piece(`${busy} of ${threads}`),
        piece(String(stuck), stuck > 0 ? 'bad' : 'plain'),
        piece(grouped(queued)),
        piece(grouped(failed), failed > 0 ? 'bad' : 'plain'),
      ];
    }),
  );
  const [head, ...body] = rows;
  return [
    ...(head ? [head] : []),
    ...body.flatMap((line, index) => [line, ...lostBricks(sorted[index], nowMs)]),
    EMPTY,
  ];
}

function lostBricks(volume: VolumeFigures | undefined, nowMs: number): Line[] {
  return (volume?.bricks ?? [])
    .filter(({ up }) => !up)
    .map(({ text, since }) => [
      piece(`  ${text} is not connected, for ${humanDuration(nowMs - Date.parse(since))}`, 'bad'),
    ]);
}

function jobLines({ volumes }: StatusReport): Line[] {
  const jobs = volumes
    .flatMap(({ name, jobs: all }) => all.map((job) => ({ volume: name, ...job })))
    .filter(({ p99Ms }) => p99Ms !== null)
    .sort((a, b) => (b.p99Ms ?? 0) - (a.p99Ms ?? 0))
    .slice(0, MOST_ROWS);
  if (jobs.length === 0)
    return [[piece('no volume was asked for anything in the last minute', 'dim')]];
  return table(
    ['SLOWEST JOBS', '', '>RATE', '>P50', '>P99'],
    jobs.map(({ volume, operation, perSecond, p50Ms, p99Ms }) => [
      piece(volume, 'bold'),
      piece(operation),
      piece(`${humanRate(perSecond)}/s`),
      piece(humanMs(p50Ms)),
      piece(humanMs(p99Ms)),
    ]),
  );
}

function mountLines({ mounts }: StatusReport): Line[] {
  return table(
    ['MOUNT', '>REQUESTS', '>SENT', '>P50', '>P99', '>FAILED/MIN'],
    mounts
      .slice(0, MOST_ROWS)
      .map(({ name, perSecond, bytesPerSecond, p50Ms, p99Ms, failed }) => [
        piece(name === '-' ? '(none)' : name, 'bold'),
        piece(`${humanRate(perSecond)}/s`),
        piece(`${humanSize(bytesPerSecond)}/s`),
        piece(humanMs(p50Ms)),
        piece(humanMs(p99Ms)),
        piece(grouped(failed), failed > 0 ? 'bad' : 'plain'),
      ]),
  );
}

function workerLines({ processes }: StatusReport): Line[] {
  return table(
    ['WORKER', '>PID', 'STATE', '>UP', '>BUSY', '>MEMORY', '>CONNECTIONS'],
    processes.map(({ number, pid, state, uptimeMs, busy, memoryBytes, connections }) => [
      piece(String(number), 'bold'),
      piece(String(pid ?? '-')),
      piece(state, WORKER_TONES[state]),
      piece(uptimeMs === null ? '-' : humanDuration(uptimeMs)),
      piece(humanShare(busy)),
      piece(memoryBytes === null ? '-' : humanSize(memoryBytes)),
      piece(grouped(connections)),
    ]),
  );
}

function eventLines({ events }: StatusReport): Line[] {
  if (events.length === 0) return [];
  const lines = events
    .slice(0, MOST_EVENTS)
    .map(({ at, tone, text }) => [
      piece(`${at.slice(0, 19).replace('T', ' ')}Z  `, 'dim'),
      piece(text, EVENT_TONES[tone]),
    ]);
  return [EMPTY, [piece('LAST EVENTS', 'dim')], ...lines];
}

/** As wide as its cells. A heading that begins with `>` is that of a column of numbers. */
function table(headings: readonly string[], rows: readonly (readonly Piece[])[]): Line[] {
  const titles = headings.map((heading) => heading.replace(/^>/, ''));
  const widths = titles.map((title, column) =>
    Math.max(length(title), ...rows.map((row) => length(oneLine(row[column]?.text ?? '')))),
  );
  const line = (cells: readonly Piece[]): Line =>
    cells.map(({ text, tone }, column) => {
      const room = ' '.repeat(Math.max(0, (widths[column] ?? 0) - length(oneLine(text))));
      const isNumber = headings[column]?.startsWith('>') ?? false;
      const gap = column === cells.length - 1 ? '' : '  ';
      return piece(isNumber ? `${room}${text}${gap}` : `${text}${room}${gap}`, tone);
    });
  return [line(titles.map((title) => piece(title, 'dim'))), ...rows.map(line)];
}

const BLOCKS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII_BLOCKS = ['_', '.', ':', '-', '=', '+', '*', '#'];

/**
 * The latest values, one sign each, or as many as needed together, by their mean, in `size` signs at most. The highest sign is for
 * `top`, or for what is highest among them; what is not known is a space.
 */
export function sparkline(
  values: readonly (number | null)[],
  size: number,
  unicode: boolean,
  top: number | null = null,
): string {
  const each = Math.max(1, Math.ceil(values.length / size));
  const means: (number | null)[] = [];
  // From the end, so that the last sign is always of as many values as the others.
  for (let end = values.length; end > 0; end -= each) {
    const known = values.slice(Math.max(0, end - each), end).filter((value) => value !== null);
    means.unshift(
      known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length,
    );
  }
  const most = top ?? Math.max(0, ...means.map((mean) => mean ?? 0));
  const blocks = unicode ? BLOCKS : ASCII_BLOCKS;
  return means
    .map((mean) => {
      if (mean === null) return ' ';
      const level = most === 0 ? 0 : Math.ceil((mean / most) * blocks.length) - 1;
      return blocks[Math.min(Math.max(0, level), blocks.length - 1)] ?? ' ';
    })
    .join('');
}

const length = (text: string): number => [...text].length;

/** Cut where the terminal ends, or each such line would take two. */
function painted(line: Line, { width, colour, unicode }: TerminalStyle): string {
  const sign = unicode ? '…' : '~';
  const clean = line.map(({ text, tone }) => ({
    tone,
    signs: [...(unicode ? oneLine(text) : oneLine(text).replace(/–/g, '-'))],
  }));
  const whole = clean.reduce((sum, { signs }) => sum + signs.length, 0);
  const limit = Math.max(NARROWEST, width);
  let room = whole > limit ? limit - 1 : limit;
  let text = '';
  for (const { signs, tone } of clean) {
    const shown = signs.slice(0, room).join('');
    room -= Math.min(room, signs.length);
    text +=
      colour && CODES[tone] !== '' && shown.trim() !== ''
        ? `\x1b[${CODES[tone]}m${shown}\x1b[0m`
        : shown;
  }
  return whole > limit ? text + sign : text.trimEnd();
}
