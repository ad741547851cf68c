/**
 * How numbers, sizes and times appear to people. Pure, and without imports: the status page's script has this file in it, so
 * that what the server writes and what the browser writes is the same.
 */

const HTML_ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For text and for quoted attributes. */
export const escapeHtml = (text: string): string =>
  /[&<>"']/.test(text) ? text.replace(/[&<>"']/g, (char) => HTML_ESCAPES[char] ?? '') : text;

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'];

/** In powers of 1000, with two digits that count at least: `999 B`, `1.5 kB`, `12 MB`. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // What would be rounded to 1000 belongs to the next unit.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? value.toFixed(1) : value.toFixed(0);
  return `${digits} ${UNITS[unit]}`;
}

/** `1234567` → `1,234,567`. */
export const grouped = (number: number): string =>
  String(number).replace(/\B(?=(?:\d{3})+$)/g, ',');

/** `1 file`, `2 files`. */
export const counted = (count: number, one: string, many: string): string =>
  `${grouped(count)} ${count === 1 ? one : many}`;

/** What is not known. */
export const UNKNOWN = '–';

/** Events a second, with two digits that count at least: `0`, `0.25`, `3.4`, `12`, `1,234`. */
export function humanRate(perSecond: number | null): string {
  if (perSecond === null) return UNKNOWN;
  if (perSecond === 0) return '0';
  if (perSecond < 0.005) return '<0.01';
  if (perSecond < 0.995) return perSecond.toFixed(2);
  return perSecond < 9.95 ? perSecond.toFixed(1) : grouped(Math.round(perSecond));
}

/** A short time in milliseconds: `0.12 ms`, `3.4 ms`, `250 ms`, `1.2 s`, `45 s`. */
export function humanMs(ms: number | null): string {
  if (ms === null) return UNKNOWN;
  if (ms < 0.995) return `${ms === 0 ? '0' : ms.toFixed(2)} ms`;
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  return ms < 9950 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 1000).toFixed(0)} s`;
}

/** A share, 0 to 1: `0 %`, `<0.1 %`, `3.4 %`, `99.9 %`, `100 %`. */
export function humanShare(share: number | null): string {
  if (share === null) return UNKNOWN;
  if (share === 0 || share === 1) return `${share * 100} %`;
  if (share < 0.001) return '<0.1 %';
  // Nearly all is not all.
  const percent = Math.min(share * 100, 99.9);
  return `${percent < 9.95 || percent > 99 ? percent.toFixed(1) : percent.toFixed(0)} %`;
}

const DAY_S = 86_400;

/** How long something has lasted, in its two largest units: `5 s`, `12 min`, `3 h 20 min`, `4 d 2 h`. */
export function humanDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  const [large, small] =
    seconds < DAY_S
      ? [`${hours} h`, minutes % 60 === 0 ? '' : ` ${minutes % 60} min`]
      : [`${Math.floor(hours / 24)} d`, hours % 24 === 0 ? '' : ` ${hours % 24} h`];
  return large + small;
}
