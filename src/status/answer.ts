/** In which form the status is wanted. Pure. */
import Negotiator from 'negotiator';
import type { StatusReport } from './report.js';

/** JSON for whoever likes both equally: scripts say nothing, or take anything; browsers say that they like HTML better. */
const TYPES = ['application/json', 'text/html'];

export function asksForPage(accept: string | undefined): boolean {
  const negotiator = new Negotiator({ headers: accept === undefined ? {} : { accept } });
  return negotiator.mediaType(TYPES) === 'text/html';
}

/** As lines for people, but with each list of numbers on a line of its own. */
export function statusJson(report: StatusReport): { readonly type: string; readonly body: string } {
  const lines = JSON.stringify(report, null, 2);
  // Within a string a line's end is an escape: what is matched here is between values.
  const body = lines.replace(
    /\[\n\s+(?:[-+.\deE]+|null)(?:,\n\s+(?:[-+.\deE]+|null))*\n\s+\]/g,
    (list) => list.replace(/\s+/g, ''),
  );
  return { type: 'application/json', body: `${body}\n` };
}
