/**
 * The last minutes as a drawing: an SVG that is stretched to its place, with the words around it as HTML, which is not. Pure, and
 * part of the status page's script: imports nothing but words.ts.
 */
import { escapeHtml } from '../words.js';

export interface Series {
  readonly label: string;
  /** The style sheet's name for its colour. */
  readonly colour: string;
  /** As many as `at`; null: there was nothing to be measured. */
  readonly values: readonly (number | null)[];
}

export interface Plot {
  readonly id: string;
  readonly title: string;
  /** The figure of now, for the heading. */
  readonly now: string;
  /** One more line below. */
  readonly note: string;
  readonly series: readonly Series[];
  /** `stacked`: the series are parts of a whole. `log`: each ten times as much is as much higher; what is 0 is not drawn. */
  readonly scale: 'stacked' | 'log';
  /** Milliseconds since 1970; the ends of steps, oldest first. */
  readonly at: readonly number[];
  readonly endMs: number;
  readonly stepMs: number;
  /** What the scale ends with at least; null: with what is there. */
  readonly top: number | null;
  readonly format: (value: number) => string;
}

/** How far back it may go: no further than there is something. */
const SPANS_MS = [60_000, 120_000, 300_000, 600_000];
const WIDTH = 600;
const HEIGHT = 120;

/** The next of 1, 2, 4, 6, 8, 10, 20, … that is not less, so that half of it is round too; of nothing 1. */
export function niceTop(most: number): number {
  if (!(most > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  const factor = [1, 2, 4, 6, 8, 10].find((each) => each * power >= most * 0.9999) ?? 10;
  return factor * power;
}

export function spanOf({ at, endMs }: Plot): number {
  const age = endMs - (at[0] ?? endMs);
  return SPANS_MS.find((each) => age <= each) ?? 600_000;
}

/** Each series as what it reaches up to, and what it stands on. */
function layers({ series, scale, at }: Plot): { upper: (number | null)[]; lower: number[] }[] {
  const base = at.map(() => 0);
  return series.map(({ values }) => {
    const lower = [...base];
    const upper = at.map((_, index) => {
      const value = values[index] ?? null;
      if (value === null || scale === 'log') return value;
      base[index] = (base[index] ?? 0) + value;
      return base[index] ?? 0;
    });
    return { upper, lower };
  });
}

interface Point {
  readonly x: number;
  readonly y: number;
  readonly floor: number;
}

/** Cut where there is nothing to be drawn, or a step is missing. */
function runs(
  plot: Plot,
  upper: readonly (number | null)[],
  lower: readonly number[],
  height: (value: number) => number,
): Point[][] {
  const span = spanOf(plot);
  const all: Point[][] = [];
  let run: Point[] = [];
  let lastMs = Number.NEGATIVE_INFINITY;
  for (const [index, ms] of plot.at.entries()) {
    const value = upper[index] ?? null;
    const x = oneDigit((1 - (plot.endMs - ms) / span) * WIDTH);
    const isDrawn = value !== null && x >= 0 && (plot.scale === 'stacked' || value > 0);
    if (!isDrawn || ms - lastMs > plot.stepMs * 2.5) {
      if (run.length > 0) all.push(run);
      run = [];
    }
    if (isDrawn) {
      run.push({ x, y: height(value), floor: height(lower[index] ?? 0) });
      lastMs = ms;
    }
  }
  return run.length > 0 ? [...all, run] : all;
}

const oneDigit = (value: number): number => Math.round(value * 10) / 10;

/** A single point is as wide as a step. */
function linePath(run: readonly Point[]): string {
  const [first] = run;
  if (first && run.length === 1) return `M${first.x - 2.5} ${first.y}h2.5`;
  return `M${run.map(({ x, y }) => `${x} ${y}`).join('L')}`;
}

function areaPath(run: readonly Point[]): string {
  const [first] = run;
  if (first && run.length === 1) {
    return `M${first.x - 2.5} ${first.floor}V${first.y}h2.5V${first.floor}z`;
  }
  const back = [...run].reverse();
  return `M${run.map(({ x, y }) => `${x} ${y}`).join('L')}L${back.map(({ x, floor }) => `${x} ${floor}`).join('L')}z`;
}

/** What the scale begins and ends with. */
export interface Range {
  readonly bottom: number;
  readonly top: number;
}

export function rangeOf(plot: Plot): Range {
  const all = layers(plot).flatMap(({ upper }) => upper.map((each) => each ?? 0));
  const most = Math.max(0, ...all);
  if (plot.scale === 'stacked') return { bottom: 0, top: Math.max(plot.top ?? 0, niceTop(most)) };
  const least = Math.min(...all.filter((each) => each > 0));
  if (least === Number.POSITIVE_INFINITY) return { bottom: 0.1, top: 10 };
  const low = Math.floor(Math.log10(least));
  const powers = Math.max(2, Math.ceil(Math.log10(most)) - low);
  // An even number of them: what stands in the middle is then a round number too.
  return { bottom: 10 ** low, top: 10 ** (low + powers + (powers % 2)) };
}

/** How high a value stands, 0 being the bottom and 1 the top. */
function share(value: number, { bottom, top }: Range): number {
  const part = bottom === 0 ? value / top : Math.log(value / bottom) / Math.log(top / bottom);
  return Math.min(1, Math.max(0, part));
}

/** What stands in the middle. */
const middleOf = ({ bottom, top }: Range): number =>
  bottom === 0 ? top / 2 : Math.sqrt(bottom * top);

const minutes = (plot: Plot): string =>
  spanOf(plot) === 60_000 ? '1 minute' : `${spanOf(plot) / 60_000} minutes`;

export function drawing(plot: Plot): string {
  const range = rangeOf(plot);
  const height = (value: number): number => oneDigit((1 - share(value, range)) * HEIGHT);
  const drawn = layers(plot).map(({ upper, lower }, index) => {
    const { colour = '' } = plot.series[index] ?? {};
    const parts = runs(plot, upper, lower, height);
    if (parts.length === 0) return '';
    const fill =
      plot.scale === 'stacked'
        ? `<path class="area ${colour}" d="${parts.map(areaPath).join('')}"/>`
        : '';
    return `${fill}<path class="line ${colour}" d="${parts.map(linePath).join('')}"/>`;
  });
  const said = `${plot.title} over the last ${minutes(plot)}; now ${plot.now}, the scale ends at ${plot.format(range.top)}`;
  // What stands on others is drawn last to first: its line is not to be hidden by what is above.
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${escapeHtml(said)}"><path class="grid" d="M0 0H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT}H${WIDTH}"/>${drawn.reverse().join('')}</svg>`;
}

export function figure(plot: Plot): string {
  const range = rangeOf(plot);
  const legend =
    plot.series.length < 2
      ? ''
      : `<ul class="legend">${plot.series
          .map(({ label, colour }) => `<li><i class="${colour}"></i>${escapeHtml(label)}</li>`)
          .join('')}</ul>`;
  return `<figure id="${plot.id}"><figcaption><h3>${escapeHtml(plot.title)}</h3><p class="now">${escapeHtml(plot.now)}</p></figcaption>
<div class="frame">${drawing(plot)}<span>${escapeHtml(plot.format(range.top))}</span><span>${escapeHtml(plot.format(middleOf(range)))}</span></div>
<p class="axis"><span>${minutes(plot)} ago</span><span>now</span></p>
${legend}<p class="note">${escapeHtml(plot.note)}</p></figure>
`;
}

/** What the plot says of one step, for who points at it. `clock` writes a time. */
export function readout(plot: Plot, index: number, clock: (ms: number) => string): string {
  const parts = plot.series.map(({ label, values }) => {
    const value = values[index] ?? null;
    const text = value === null ? '–' : plot.format(value);
    return plot.series.length < 2 ? text : `${label.replace(/:.*/, '')} ${text}`;
  });
  return `${clock(plot.at[index] ?? plot.endMs)}   ${parts.join('   ')}`;
}
