/** Colours and type, for light and dark surroundings. */
import type { Font } from './elements.js';

export const TITLE: Font = { name: 'title', size: 22 };
export const HEADING: Font = { name: 'heading', size: 14 };
export const LABEL: Font = { name: 'label', size: 11.5 };
/** Of the one that the others are compared with. */
export const SUBJECT_LABEL: Font = { name: 'label strong', size: 11.5 };
export const NOTE: Font = { name: 'note', size: 11.5 };
export const CAPTION: Font = { name: 'caption', size: 10.5 };

const FONTS = [TITLE, HEADING, LABEL, NOTE, CAPTION]
  .map(({ name, size }) => `.${name}{font-size:${size}px}`)
  .join('');

interface Palette {
  readonly page: string;
  readonly card: string;
  readonly edge: string;
  readonly ink: string;
  readonly faint: string;
  /** gfserve. */
  readonly subject: string;
  /** Further gfserves. */
  readonly kin: string;
  readonly other: string;
  /** What serves no HTTP or no GlusterFS, and is there to be measured by. */
  readonly reference: string;
}

const LIGHT: Palette = {
  page: '#ffffff',
  card: '#f6f8fa',
  edge: '#dfe4ea',
  ink: '#1c2128',
  faint: '#5c6670',
  subject: '#0b7a75',
  kin: '#7cc4bf',
  other: '#b3bcc6',
  reference: '#e0a458',
};

const DARK: Palette = {
  page: '#0d1117',
  card: '#151b23',
  edge: '#2a313a',
  ink: '#e8edf2',
  faint: '#98a2ad',
  subject: '#2dd4bf',
  kin: '#23736c',
  other: '#55606c',
  reference: '#b9823c',
};

const colours = (palette: Palette): string =>
  [
    `.page{fill:${palette.page}}`,
    `.card{fill:${palette.card};stroke:${palette.edge}}`,
    `.title,.heading,.label{fill:${palette.ink}}`,
    `.label,.cut{stroke:${palette.card}}`,
    `.note,.caption{fill:${palette.faint}}`,
    `.subject{fill:${palette.subject}}`,
    `.kin{fill:${palette.kin}}`,
    `.other{fill:${palette.other}}`,
    `.reference{fill:${palette.reference}}`,
    `.one{stroke:${palette.subject}}`,
  ].join('');

export const STYLE = [
  'text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}',
  FONTS,
  '.title,.heading,.strong{font-weight:600}',
  // Its edge keeps a line behind it off the letters.
  '.label{font-variant-numeric:tabular-nums;paint-order:stroke;stroke-width:3px;stroke-linejoin:round}',
  '.one{fill:none;stroke-width:1;stroke-dasharray:2 3;opacity:.7}',
  '.cut{fill:none;stroke-width:3}',
  colours(LIGHT),
  `@media(prefers-color-scheme:dark){${colours(DARK)}}`,
].join('');
