/** Addresses in the one way that they are written here: IPv4 with dots, IPv6 as RFC 5952 has it. Pure. */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';

/** An IPv4 address with a port, or an IPv6 address in brackets with or without one. */
const WITH_PORT = /^(?:([0-9.]+):[0-9]{1,5}|\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\](?::[0-9]{1,5})?)$/;

/** An IPv4 address as IPv6 has it (RFC 4291 §2.5.5.2), in RFC 5952's form. */
const MAPPED = '::ffff:';

/** What uWebSockets.js gives for a peer: 4 or 16 bytes in network order; none on a unix socket, which is ''. */
export function addressOf(bytes: ArrayBuffer): string {
  if (bytes.byteLength === 4) return new Uint8Array(bytes).join('.');
  if (bytes.byteLength !== 16) return '';
  const words = new DataView(bytes);
  const groups = Array.from({ length: 8 }, (_, index) => words.getUint16(index * 2).toString(16));
  return canonical(groups.join(':'));
}

/** An item of X-Forwarded-For; without its port. null: it is no address. */
export function readAddress(item: string): string | null {
  const text = item.trim();
  const match = WITH_PORT.exec(text);
  const address = match ? (match[1] ?? match[2] ?? '') : text;
  if (isIPv4(address)) return address;
  // A zone means something on the proxy alone.
  return isIPv6(address) && !address.includes('%') ? canonical(address) : null;
}

function canonical(ipv6: string): string {
  const { address } = new SocketAddress({ address: ipv6, family: 'ipv6' });
  const rest = address.startsWith(MAPPED) ? address.slice(MAPPED.length) : '';
  return isIPv4(rest) ? rest : address;
}

/** Items that are looked at; a chain of more proxies is nobody's. */
const MOST_ITEMS = 50;

/**
 * The client behind a chain of proxies, as nginx' real_ip_recursive finds it: `peer` is whoever connected, `forwardedFor`
 * X-Forwarded-For, in which each proxy has put its own peer behind the others. From the right, the first that is not trusted.
 * An item that is no address ends the search, as do 50 of them: the last one that was good is the client then.
 */
export function clientBehind(
  peer: string,
  forwardedFor: string,
  isTrusted: (address: string) => boolean,
): string {
  let client = peer;
  let end = forwardedFor.length;
  for (let items = 0; items < MOST_ITEMS && end > 0 && isTrusted(client); items += 1) {
    const comma = forwardedFor.lastIndexOf(',', end - 1);
    const item = forwardedFor.slice(comma + 1, end);
    end = comma;
    // RFC 9110 §5.6.1.2: empty elements do not count.
    if (/^[ \t]*$/.test(item)) continue;
    const address = readAddress(item);
    if (address === null) break;
    client = address;
  }
  return client;
}
