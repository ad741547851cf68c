/**
 * Loopback addresses for glusterds. Each glusterd needs an address of its own, because peers look for
 * one another on port 24007 only. Clusters on one machine share 127.1.1.0/24.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';

const GLUSTERD_PORT = 24007;
/** Held by the process that owns a cluster, so that two clusters starting at once don't collide. */
const RESERVATION_PORT = 24006;
const LAST_ADDRESS = 254;

/** Addresses held for this process until `release` or its death. */
export interface Reservation {
  readonly addresses: readonly string[];
  release(): Promise<void>;
}

/**
 * Reserves `count` consecutive addresses.
 * @param first the last number of the first address, 1–254; without it the first free block is taken
 * @throws Error that says who holds the addresses, when they (or all) are taken
 */
export async function reserveAddresses(count: number, first?: number): Promise<Reservation> {
  if (first !== undefined) {
    const block = blockFrom(first, count);
    const result = await tryBlock(block);
    if (typeof result !== 'string') return result;
    throw new Error(`can't use addresses ${block.join(', ')}: ${result}`);
  }
  let reason = '';
  for (let start = 1; start + count - 1 <= LAST_ADDRESS; start++) {
    const result = await tryBlock(blockFrom(start, count));
    if (typeof result !== 'string') return result;
    if (reason === '') reason = result;
  }
  throw new Error(`no ${count} free addresses in 127.1.1.1-${LAST_ADDRESS}: ${reason}`);
}

function blockFrom(first: number, count: number): string[] {
  if (!Number.isInteger(first) || first < 1 || first + count - 1 > LAST_ADDRESS) {
    throw new RangeError(`first address ${first}: ${count} nodes need 1 to ${255 - count}`);
  }
  return Array.from({ length: count }, (_, index) => `127.1.1.${first + index}`);
}

/** The reservation, or why there is none. */
async function tryBlock(addresses: readonly string[]): Promise<Reservation | string> {
  const held: Server[] = [];
  const release = async (): Promise<void> => {
    await Promise.all(held.splice(0).map(close));
  };
  for (const address of addresses) {
    const reason = await tryAddress(address, held);
    if (reason !== null) {
      await release();
      return reason;
    }
  }
  return { addresses, release };
}

async function tryAddress(address: string, held: Server[]): Promise<string | null> {
  // Bricks keep an address busy even while their glusterd is dead.
  const busy = (await listeners()).filter((one) => one.address === address);
  const holder = busy.find((one) => one.port === GLUSTERD_PORT) ?? busy[0];
  if (holder !== undefined) return describe(holder);
  const reservation = await listen(address, RESERVATION_PORT);
  if (reservation === null) return `another cluster has just taken ${address}`;
  held.push(reservation);
  const probe = await listen(address, GLUSTERD_PORT);
  if (probe === null) {
    const all = (await listeners()).find((one) => one.port === GLUSTERD_PORT && one.wildcard);
    const who = all === undefined ? 'another program' : await describe(all);
    return `${who}; a glusterd of this machine must be stopped, or bound to an address of its own`;
  }
  await close(probe);
  return null;
}

function listen(address: string, port: number): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else reject(error);
    });
    // A reservation must not keep its owner alive.
    server.listen({ host: address, port, exclusive: true }, () => resolve(server.unref()));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

interface Listener {
  address: string;
  port: number;
  wildcard: boolean;
  inode: string;
}

/** The machine's listening TCP sockets, IPv4 and the IPv6 wildcard. */
async function listeners(): Promise<Listener[]> {
  const found: Listener[] = [];
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = await readFile(table, 'utf8').catch(() => '');
    for (const line of text.split('\n').slice(1)) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      if (state !== '0A') continue;
      const [host = '', port = ''] = local.split(':');
      const address = host.length === 8 ? dotted(host) : '::';
      const wildcard = /^0+$/.test(host);
      found.push({ address, port: Number.parseInt(port, 16), wildcard, inode });
    }
  }
  return found;
}

/** /proc/net/tcp writes an IPv4 address as one number in the machine's byte order (little-endian). */
function dotted(hex: string): string {
  const bytes = hex.match(/../g) ?? [];
  return bytes
    .reverse()
    .map((byte) => Number.parseInt(byte, 16))
    .join('.');
}

/** True when something listens on exactly this address and port. */
export async function isListening(address: string, port: number): Promise<boolean> {
  return (await listeners()).some((one) => one.address === address && one.port === port);
}

async function describe(listener: Listener): Promise<string> {
  const who = (await ownerOf(listener.inode)) ?? 'a process of another user';
  return `${who} listens on ${listener.address}:${listener.port}`;
}

async function ownerOf(inode: string): Promise<string | null> {
  for (const pid of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
      if (target !== `socket:[${inode}]`) continue;
      const cmdline = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      const words = cmdline.split('\0').join(' ').trim();
      return `pid ${pid} (${words.length > 160 ? `${words.slice(0, 160)}…` : words})`;
    }
  }
  return null;
}
