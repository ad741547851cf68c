/** The few kinds of files that a listing tells apart, and their icons. Pure. */
import { extensionOf } from './types.js';

const EXTENSIONS: Readonly<Record<string, string>> = {
  image: 'avif bmp gif heic ico jpeg jpg jxl png psd svg tif tiff webp',
  video: 'avi m4v mkv mov mp4 mpeg mpg ogv ts webm wmv',
  audio: 'aac flac m4a mid mp3 oga ogg opus wav weba',
  archive: '7z apk br bz2 cab deb dmg gz iso jar lz lzma rar rpm tar tgz txz xz zip zst',
  text: 'adoc c cc conf cpp css csv doc docx epub go h htm html ini java js json log md mjs odt pdf php pl py rb rs rst rtf sh sql tex toml tsv txt xhtml xml yaml yml',
};

const KINDS = new Map(
  Object.entries(EXTENSIONS).flatMap(([kind, extensions]) =>
    extensions.split(' ').map((extension) => [extension, kind] as const),
  ),
);

/** The class of a file's link; '' for a plain one. */
export const kindOf = (name: string): string => KINDS.get(extensionOf(name)) ?? '';

const page =
  '<path d="M4 1.5h5.5L13 5v9a.5.5 0 0 1-.5.5h-8.5a.5.5 0 0 1-.5-.5V2a.5.5 0 0 1 .5-.5z"/><path d="M9.5 1.5V5H13"/>';

/** Paths in a square of 16, drawn as lines; the folder is filled. */
const DRAWINGS = {
  file: page,
  text: `${page}<path d="M5.8 7.7h4.8M5.8 9.8h4.8M5.8 11.9h3"/>`,
  image:
    '<rect x="1.8" y="2.5" width="12.4" height="11" rx="1"/><circle cx="5.4" cy="6" r="1.1"/><path d="m2 11.8 3.4-3.3 2.3 2.2 3.1-3.4 3.2 3.4"/>',
  video:
    '<rect x="1.8" y="2.8" width="12.4" height="10.4" rx="1.2"/><path d="m6.6 5.8 3.8 2.2-3.8 2.2z"/>',
  audio:
    '<circle cx="4.4" cy="12" r="1.9"/><circle cx="11.4" cy="10.6" r="1.9"/><path d="M6.3 12V3.6l7-1.4v8.4"/>',
  archive:
    '<rect x="1.8" y="2.3" width="12.4" height="3.2" rx=".6"/><path d="M2.8 5.5v7.6a.6.6 0 0 0 .6.6h9.2a.6.6 0 0 0 .6-.6V5.5M6.3 8.3h3.4"/>',
  up: '<path d="M8 13V3.4M3.8 7.4 8 3.2l4.2 4.2"/>',
} as const;

export type Drawing = keyof typeof DRAWINGS;

/** Colours that stand out from light and dark alike: the icons need no second set. */
const LINE = '#7d8794';
const FOLDER = '#5596e0';

const ESCAPES: Readonly<Record<string, string>> = {
  '"': "'",
  '#': '%23',
  '%': '%25',
  '<': '%3C',
  '>': '%3E',
};

/** A data URL, safe between double quotes, with no more escapes than that needs. */
const svg = (attributes: string, body: string): string => {
  const text = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" ${attributes}>${body}</svg>`;
  return `data:image/svg+xml,${text.replace(/["#%<>]/g, (char) => ESCAPES[char] ?? '')}`;
};

export const lineIcon = (drawing: Drawing): string =>
  svg(
    `fill="none" stroke="${LINE}" stroke-width="1.1" stroke-linejoin="round" stroke-linecap="round"`,
    DRAWINGS[drawing],
  );

export const FOLDER_ICON = svg(
  `fill="${FOLDER}"`,
  '<path d="M1.5 3.6c0-.6.4-1.1 1.1-1.1h3.6c.3 0 .6.1.8.4l1 1.1h5.4c.6 0 1.1.5 1.1 1.1v7.3c0 .6-.5 1.1-1.1 1.1H2.6c-.7 0-1.1-.5-1.1-1.1z"/>',
);
