/** The picture of a run: a card for each scenario. It needs nothing from elsewhere. */
import { type Outcome, outcomes } from '../overview.js';
import { type RunRecord, samplesOf } from '../record.js';
import { CARD_WIDTH, card, cardHeight, extentOf } from './card.js';
import { box, text } from './elements.js';
import { NOTE, STYLE, TITLE } from './style.js';
import { widthOf, wrapped } from './text.js';

const MARGIN = 24;
const GAP = 16;
const WIDTH = 2 * MARGIN + 2 * CARD_WIDTH + GAP;
const INNER = WIDTH - 2 * MARGIN;
const LINE = 17;

const LEGEND = [
  ['subject', 'gfserve'],
  ['kin', 'gfserve without its cache'],
  ['other', 'others over the same volume'],
  ['reference', 'to measure by: a local copy; libgfapi without HTTP'],
] as const;

function describe({ machine, generator, rounds, seconds }: RunRecord): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const memory = Math.round(machine.memoryBytes / 1024 ** 3);
  return [
    `Replica 3 on loopback, one server process each; ${machine.cores} × ${machine.cpu}, ${memory} GiB,`,
    `Linux ${machine.kernel}, node ${machine.node.replace(/^v/, '')}, ${versions.join(', ')}.`,
    `Load by ${generator}; medians of ${rounds} rounds of ${seconds} s, in each of which all took part.`,
    'Left: speed, where more is better; × is beside the bold one. Right: processor time of the servers’ processes, FUSE clients included, where less is better. Bars over four times the bold one are cut.',
  ].join(' ');
}

function legend(y: number): string[] {
  let x = MARGIN;
  return LEGEND.flatMap(([kind, title]) => {
    const marks = [
      box(kind, { x, y: y - 9, width: 10, height: 10 }, 2),
      text(NOTE, x + 16, y, title),
    ];
    x += 16 + widthOf(title, NOTE.size) + 16;
    return marks;
  });
}

/** Two in a row, as high as the higher one. */
function grid(all: readonly Outcome[], top: number): { marks: string[]; bottom: number } {
  const marks: string[] = [];
  let y = top;
  for (let at = 0; at < all.length; at += 2) {
    const row = all.slice(at, at + 2);
    const extents = row.map(extentOf);
    const extent = {
      titleLines: Math.max(...extents.map(({ titleLines }) => titleLines)),
      peers: Math.max(...extents.map(({ peers }) => peers)),
    };
    for (const [column, outcome] of row.entries()) {
      marks.push(card(outcome, MARGIN + column * (CARD_WIDTH + GAP), y, extent));
    }
    y += cardHeight(extent) + GAP;
  }
  return { marks, bottom: y - GAP };
}

/** @returns an SVG document */
export function plot(record: RunRecord): string {
  const all = outcomes((name) => samplesOf(record, name));
  const title = 'The same work for gfserve and for other servers';
  const titleY = MARGIN + TITLE.size - 4;
  const notes = wrapped(describe(record), NOTE.size, INNER, 5);
  const notesY = titleY + 8;
  const legendY = notesY + notes.length * LINE + 26;
  const { marks, bottom } = grid(all, legendY + 18);
  const height = Math.ceil(bottom + MARGIN);
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>${title}</title>`,
    `<style>${STYLE}</style>`,
    box('page', { x: 0, y: 0, width: WIDTH, height }, 0),
    text(TITLE, MARGIN, titleY, title),
    ...notes.map((line, at) => text(NOTE, MARGIN, notesY + (at + 1) * LINE, line)),
    ...legend(legendY),
    ...marks,
    '</svg>',
  ].join('\n')}\n`;
}
