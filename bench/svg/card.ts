/** A scenario: a line for each peer, with a bar for its speed and one for what it costs. */
import type { Outcome } from '../overview.js';
import { NGINX_LOCAL } from '../peers/nginx.js';
import { pairRatio } from '../ratio.js';
import { medianOf } from '../report.js';
import { requestRate } from '../sample.js';
import { ratioFigure } from '../table.js';
import { box, rule, slash, text } from './elements.js';
import { CAPTION, HEADING, LABEL, NOTE, SUBJECT_LABEL } from './style.js';
import { fitted, shortCount, shortTime, wrapped } from './text.js';

export const CARD_WIDTH = 456;
const PADDING = 16;
const INNER = CARD_WIDTH - 2 * PADDING;
const LABELS = 118;
const GAP = 12;
/** Bars and, behind them, figures. */
const PANEL = (INNER - LABELS - GAP) / 2;
const FIGURES = 60;
const LONGEST = PANEL - FIGURES;
const MOST = 4;
const PITCH = 18;
const BAR = 10;
const TITLE_LINES = 2;
const TITLE_PITCH = 15;
const HEAD = 26;

/** A peer's line. */
export interface Line {
  readonly peer: string;
  readonly kind: 'subject' | 'kin' | 'other' | 'reference';
  /** Beside the subject's; NaN: there is none. */
  readonly speed: number;
  readonly cost: number;
  readonly speedText: string;
  readonly costText: string;
}

function kindOf(peer: string, subject: string): Line['kind'] {
  if (peer === subject) return 'subject';
  if (peer.startsWith('gfserve')) return 'kin';
  return peer === NGINX_LOCAL || peer === 'limit' ? 'reference' : 'other';
}

/** The subject's own figures are absolute, and the others' costs; their speeds are beside the subject's. */
export function linesOf({ scenario, samples }: Outcome): readonly Line[] {
  const { subject, metrics } = scenario;
  const base = samples.get(subject) ?? [];
  return [...samples].map(([peer, own]) => {
    const kind = kindOf(peer, subject);
    if (own.some(({ errors }) => errors > 0)) {
      const none = Number.NaN;
      return { peer, kind, speed: none, cost: none, speedText: 'errors', costText: '–' };
    }
    const speed = pairRatio(metrics.speed, own, base);
    const unit = metrics.speed === requestRate ? '/s' : ` ${metrics.speed.title}`;
    const absolute = `${shortCount(medianOf(metrics.speed, own))}${unit}`;
    const costText = shortTime(medianOf(metrics.cost, own) * metrics.cost.unitSeconds);
    const cost = pairRatio(metrics.cost, own, base);
    return {
      ...{ peer, kind, speed, cost, costText },
      speedText: peer === subject ? absolute : ratioFigure(speed),
    };
  });
}

export interface Bar {
  readonly length: number;
  /** Whether it would be longer than there is room. */
  readonly cut: boolean;
}

/**
 * Bars for values beside the subject's 1. The longest fills its place; but what is more than `MOST` times the subject is
 * cut, or the rest would be too short to be told apart.
 */
export function bars(values: readonly number[]): readonly Bar[] {
  const known = values.filter((value) => Number.isFinite(value));
  const most = Math.min(MOST, Math.max(0, ...known));
  return values.map((value) => {
    if (!Number.isFinite(value) || most <= 0) return { length: 0, cut: false };
    const length = Math.max(1, (Math.min(value, most) / most) * LONGEST);
    return { length, cut: value > most };
  });
}

const titleOf = ({ scenario }: Outcome): string[] =>
  wrapped(scenario.title, NOTE.size, INNER, TITLE_LINES);

/** What a card needs; those of a row get the most that one of them needs. */
export interface Extent {
  /** Of the title. */
  readonly titleLines: number;
  readonly peers: number;
}

export const extentOf = (outcome: Outcome): Extent => ({
  titleLines: titleOf(outcome).length,
  peers: outcome.samples.size,
});

const headHeight = ({ titleLines }: Extent): number =>
  PADDING + HEADING.size + titleLines * TITLE_PITCH + HEAD;

export const cardHeight = (extent: Extent): number =>
  headHeight(extent) + extent.peers * PITCH + PADDING - 4;

function panel(
  lines: readonly Line[],
  what: 'speed' | 'cost',
  caption: string,
  x: number,
  top: number,
): string[] {
  const drawn = bars(lines.map((line) => line[what]));
  const one = drawn[lines.findIndex(({ kind }) => kind === 'subject')]?.length ?? 0;
  const marks = [text(CAPTION, x, top - 6, caption)];
  if (one > 0) marks.push(rule('one', x + one, top, top + lines.length * PITCH));
  for (const [at, line] of lines.entries()) {
    const { length, cut } = drawn[at] ?? { length: 0, cut: false };
    const y = top + at * PITCH + 4;
    const font = line.kind === 'subject' ? SUBJECT_LABEL : LABEL;
    const figure = what === 'speed' ? line.speedText : line.costText;
    if (length > 0) marks.push(box(line.kind, { x, y, width: length, height: BAR }, 2));
    if (cut) marks.push(slash('cut', x + length - 10, y - 1, BAR + 2));
    marks.push(text(font, x + length + 5, y + 9, figure));
  }
  return marks;
}

/** Draws it with its upper left corner at `x`, `y`. @param extent at least its own */
export function card(outcome: Outcome, x: number, y: number, extent: Extent): string {
  const { name, scenario } = outcome;
  const { speed, cost } = scenario.metrics;
  const lines = linesOf(outcome);
  const left = x + PADDING;
  const heading = y + PADDING + HEADING.size - 3;
  const top = y + headHeight(extent);
  return [
    box('card', { x, y, width: CARD_WIDTH, height: cardHeight(extent) }, 8),
    text(HEADING, left, heading, name),
    ...titleOf(outcome).map((line, at) =>
      text(NOTE, left, heading + 3 + (at + 1) * TITLE_PITCH, line),
    ),
    ...lines.map(({ peer, kind }, at) => {
      const font = kind === 'subject' ? SUBJECT_LABEL : LABEL;
      return text(font, left, top + at * PITCH + 13, fitted(peer, font.size, LABELS));
    }),
    ...panel(lines, 'speed', speed.title, left + LABELS, top),
    ...panel(lines, 'cost', `CPU per ${cost.per}`, left + LABELS + PANEL + GAP, top),
  ].join('\n');
}
