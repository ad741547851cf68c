import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { ListenAddress, VolfileServer } from './types.js';
import { bad, good, type Parsed, quote, type ValueType } from './values.js';

/** glusterd's port, which gfapi puts in for 0 as well. */
const GLUSTERD_PORT = 24007;

/** sockaddr_un holds 108 bytes, the last of which is NUL. */
const LONGEST_SOCKET_PATH = 107;

interface HostPort {
  readonly host: string;
  /** null: none was written. */
  readonly port: string | null;
}

/** Only splits; null where the brackets do not match or an IPv6 address stands without them. */
function splitHostPort(text: string): HostPort | null {
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(text);
  if (!match) return null;
  if (match[1] !== undefined && !isIPv6(match[1])) return null;
  return { host: match[1] ?? match[2] ?? '', port: match[3] ?? null };
}

const LABEL = /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;

/** A DNS name as RFC 1123 has it, underscores allowed; digits and dots alone must be an IPv4 address. */
function isHostName(text: string): boolean {
  if (/^[0-9.]+$/.test(text)) return isIPv4(text);
  return text.length <= 253 && text.split('.').every((label) => LABEL.test(label));
}

const isHost = (text: string): boolean => isIP(text) !== 0 || isHostName(text);

function portNumber(text: string): number | null {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return port >= 0 && port <= 65535 ? port : null;
}

function socketPath(text: string): Parsed<string> {
  const path = text.slice('unix:'.length);
  if (!path.startsWith('/') || path.endsWith('/')) {
    return bad(`${quote(text)} is not unix: and an absolute path of a socket`);
  }
  // %w becomes a worker's number, of at most three digits.
  const bytes = Buffer.byteLength(path.replaceAll('%w', '256'));
  return bytes > LONGEST_SOCKET_PATH
    ? bad(
        `the socket's path is ${bytes} bytes long; the system allows no more than ${LONGEST_SOCKET_PATH}`,
      )
    : good(path);
}

export const listenAddress: ValueType<ListenAddress> = {
  words: '`host:port`, `[v6]:port`, `:port` or `unix:/path`',
  parse: (text) => {
    if (text.startsWith('unix:')) {
      const path = socketPath(text);
      return path.ok ? good({ kind: 'unix', path: path.value, text }) : path;
    }
    const parts = splitHostPort(text);
    if (!parts || (parts.host !== '' && !isHost(parts.host))) {
      return bad(`${quote(text)} is not host:port, [IPv6 address]:port, :port or unix:/path`);
    }
    if (parts.port === null) return bad(`${quote(text)} has no port`);
    const port = portNumber(parts.port);
    return port === null || port === 0
      ? bad(`${quote(parts.port)} is not a port from 1 to 65535`)
      : good({ kind: 'tcp', host: parts.host, port, text });
  },
};

export const volfileServer: ValueType<VolfileServer> = {
  words: '`host`, `host:port`, `[v6]:port` or `unix:/socket`',
  parse: (text) => {
    if (text.startsWith('unix:')) {
      const path = socketPath(text);
      return path.ok ? good({ transport: 'unix', path: path.value, text }) : path;
    }
    const parts = splitHostPort(text);
    if (!parts || !isHost(parts.host)) {
      return bad(`${quote(text)} is not host, host:port, [IPv6 address]:port or unix:/socket`);
    }
    const port = parts.port === null ? 0 : portNumber(parts.port);
    return port === null
      ? bad(`${quote(parts.port ?? '')} is not a port from 0 to 65535`)
      : good({ transport: 'tcp', host: parts.host, port: port === 0 ? GLUSTERD_PORT : port, text });
  },
};

/** What a Host header must say, its port aside: a name, an address, or `*.` and a name. In lower case. */
export const hostPattern: ValueType<string> = {
  words: '`example.org` or `*.example.org`',
  parse: (text) => {
    if (text === '*') return bad('"*" is not a host: leave the key out to take every host');
    const name = text.startsWith('*.') ? text.slice(2) : text;
    if (text.startsWith('*.') ? isHostName(name) && isIP(name) === 0 : isHostName(name)) {
      return good(text.toLowerCase());
    }
    const parts = splitHostPort(text);
    if (parts?.port === null && isIPv6(parts.host)) return good(text.toLowerCase());
    if (parts?.port) return bad(`${quote(text)} has a port: hosts are compared without it`);
    if (/[^ -~]/.test(text)) return bad(`${quote(text)} is not ASCII: write the name's xn-- form`);
    return bad(`${quote(text)} is not a host name, an address or *. and a host name`);
  },
};

/** Prefix lengths as CIDR writes them, without leading zeros. */
const CIDR = /^([^/]*)\/(0|[1-9][0-9]{0,2})$/;

/** Who may speak for a client: an address, a block of them, or `unix:` for whoever reaches a unix socket. */
export const trustedProxy: ValueType<string> = {
  words: 'address, CIDR block such as `10.0.0.0/8` or `fd00::/8`, or `unix:`',
  parse: (text) => {
    // node:net takes a zone (fe80::1%eth0) for a part of an address, which no peer's is compared with.
    const isAddress = isIP(text) !== 0 && !text.includes('%');
    if (text === 'unix:' || isAddress) return good(text.toLowerCase());
    if (text.startsWith('unix:')) {
      return bad(`${quote(text)} has a path: unix: is every peer on a unix socket`);
    }
    const [, address = '', prefix] = CIDR.exec(text) ?? [];
    const version = isIP(address);
    if (version === 0 || address.includes('%') || prefix === undefined) {
      return bad(`${quote(text)} is not an address, a block such as 10.0.0.0/8, or unix:`);
    }
    const longest = version === 4 ? 32 : 128;
    return Number(prefix) <= longest
      ? good(text.toLowerCase())
      : bad(`${quote(text)} has a prefix longer than ${longest} bits`);
  },
};
