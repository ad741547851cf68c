/** What the demo says while it works: a line a step, with the seconds since its start. */

const startedAt = performance.now();

/** For terminals that want it; plain elsewhere. */
const styled = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
const style = (code: number, text: string): string =>
  styled ? `\u001b[${code}m${text}\u001b[0m` : text;

export const bold = (text: string): string => style(1, text);
export const dim = (text: string): string => style(2, text);

export function say(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** Since the demo's start. */
export function seconds(): number {
  return (performance.now() - startedAt) / 1000;
}

export function step(text: string): void {
  say(`${dim(`${seconds().toFixed(1).padStart(5)} s`)}  ${text}`);
}

/** For example `300 MiB`. */
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  const value = bytes / 1024 ** power;
  return `${value.toFixed(Number.isInteger(value) ? 0 : 1)} ${units[power]}`;
}
