/** The few kinds of marks that the plot is drawn with. Their colours are the style's; see style.ts. */
import { escapeXml } from './text.js';

/** How a class of text is set. */
export interface Font {
  /** Of the style. */
  readonly name: string;
  /** In pixels. */
  readonly size: number;
}

const round = (value: number): string => String(Math.round(value * 10) / 10);

export function text(
  font: Font,
  x: number,
  y: number,
  content: string,
  anchor: 'start' | 'end' = 'start',
): string {
  const end = anchor === 'end' ? ' text-anchor="end"' : '';
  return `<text class="${font.name}" x="${round(x)}" y="${round(y)}"${end}>${escapeXml(content)}</text>`;
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export function box(name: string, { x, y, width, height }: Box, radius: number): string {
  const place = `x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}"`;
  return `<rect class="${name}" ${place} rx="${radius}"/>`;
}

/** A line straight down. */
export function rule(name: string, x: number, top: number, bottom: number): string {
  return `<path class="${name}" d="M${round(x)} ${round(top)}V${round(bottom)}"/>`;
}

/** A line that leans to the right. */
export function slash(name: string, x: number, y: number, height: number): string {
  return `<path class="${name}" d="M${round(x)} ${round(y + height)}l4 ${-height}"/>`;
}
