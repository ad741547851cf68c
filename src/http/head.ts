/**
 * Status and headers → the head of an answer: what uWebSockets.js writes as the status, that is the status line's rest and
 * every header but the last line end, so that one native call writes it all. Values come from validated configuration and
 * from us, never raw from a request: nothing below checks for CR LF again.
 */
import { STATUS_CODES } from 'node:http';
import type { Mount } from './route.js';

export type Header = readonly [name: string, value: string];

/** `mount` is null where none was found: then no rule applies. */
export function renderHead(
  status: number,
  headers: readonly Header[],
  mount: Mount | null,
): string {
  let head = `${status} ${STATUS_CODES[status] ?? 'Unknown'}`;
  for (const [name, value] of headers) head += `\r\n${name}: ${value}`;
  if (!mount) return head;
  if (mount.varies) head += '\r\nVary: Accept-Encoding';
  return mount.rules.applyHeaders(head);
}
