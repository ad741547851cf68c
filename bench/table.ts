/** Figures in columns. */

/** Texts in columns: the first one to the left, the others to the right. */
export function renderTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) {
      widths[at] = Math.max(widths[at] ?? 0, cell.length);
    }
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}

/** A number for people: `12,345`, `0.37`; `-` for none. */
export function figure(value: number, digits: number): string {
  if (!Number.isFinite(value)) return '-';
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** How many times something else: `0.37×`, `12×`; `-` for none. */
export function ratioFigure(value: number): string {
  return Number.isFinite(value) ? `${figure(value, value < 10 ? 2 : 0)}×` : '-';
}
