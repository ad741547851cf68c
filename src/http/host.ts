/** The request's host name. Pure. */

import { percent } from './path.js';

/** Lower case, without a port and without the dot of a fully qualified name. */
export function normaliseHost(host: string): string {
  const withoutPort = host.replace(/:\d*$/, '');
  return withoutPort.replace(/\.$/, '').toLowerCase();
}

/** Labels and dots, or an IPv6 address in its brackets. */
const PLAUSIBLE = /^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])$/;

/**
 * What `$host` stands for: the host as above. Clients write what they like into Host, so in a name that can't be one
 * everything but letters, digits, `-` and `_` is percent-encoded: it is then no other host's name, no dot segment of a
 * path and no end of a header line. `localhost` where the client named none.
 */
export function safeHost(host: string): string {
  const name = normaliseHost(host);
  if (PLAUSIBLE.test(name)) return name;
  if (name === '') return 'localhost';
  return name.replace(/[^a-z0-9_-]+/g, (text) =>
    Array.from(Buffer.from(text, 'utf8'), percent).join(''),
  );
}
