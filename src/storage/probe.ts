/**
 * Asks glusterd whether it is there before libgfapi does: gfapi tries its servers one after the other and waits minutes
 * for an address that swallows packets, or for a daemon that hangs.
 */
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VolfileServer } from '../config/types.js';

export type ProbeResult =
  | { readonly server: VolfileServer; readonly alive: true; readonly ms: number }
  | { readonly server: VolfileServer; readonly alive: false; readonly reason: string };

/** GLUSTER_HNDSK_PROGRAM and its version, of rpc/rpc-lib/src/protocol-common.h in GlusterFS. */
const HANDSHAKE_PROGRAM = 14398633;
const HANDSHAKE_VERSION = 2;
const XID = 0x67667376;

/** An ONC RPC NULL call (RFC 5531 §9) in one record-marked fragment: a reply to it, whichever, proves a daemon at work. */
function nullCall(): Buffer {
  const words = [0x80000028, XID, 0, 2, HANDSHAKE_PROGRAM, HANDSHAKE_VERSION, 0, 0, 0, 0, 0];
  const call = Buffer.alloc(words.length * 4);
  for (const [index, word] of words.entries()) call.writeUInt32BE(word, index * 4);
  return call;
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection',
  EHOSTUNREACH: 'cannot be reached (no route to the host)',
  ENETUNREACH: 'cannot be reached (no route to the network)',
  ENOTFOUND: 'has no address (name not found)',
  EAI_AGAIN: 'has no address (name service did not answer)',
  ENOENT: 'has no such socket',
  EACCES: 'may not be connected to (permission)',
};

/** Connects, sends a NULL call and waits for the first bytes of a reply. Never rejects. */
export function probe(server: VolfileServer, timeoutMs: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const start = performance.now();
    let connected = false;
    const socket =
      server.transport === 'unix'
        ? net.connect({ path: server.path })
        : net.connect({ host: server.host, port: server.port });
    const finish = (result: ProbeResult): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const fail = (reason: string): void => finish({ server, alive: false, reason });
    const timer = setTimeout(() => {
      const what = connected ? 'accepted the connection but did not answer' : 'did not answer';
      fail(`${what} within ${timeoutMs / 1000} s`);
    }, timeoutMs);
    socket.on('connect', () => {
      connected = true;
      socket.write(nullCall());
    });
    socket.on('data', () => finish({ server, alive: true, ms: performance.now() - start }));
    socket.on('end', () => fail('closed the connection'));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      fail(REASONS[error.code ?? ''] ?? `failed (${error.code ?? error.message})`);
    });
  });
}

/** How long the other servers get to answer after the first one did. */
const GRACE_MS = 100;

/**
 * Probes all servers at once, for at most `timeoutMs`; soon after the first answer the rest is not waited for. The live
 * ones come first, then the others, each group in configured order.
 */
export async function probeAll(
  servers: readonly VolfileServer[],
  timeoutMs: number,
): Promise<readonly ProbeResult[]> {
  const results: ProbeResult[] = servers.map((server) => ({
    server,
    alive: false,
    reason: 'had not answered yet',
  }));
  const probes = servers.map(async (server, index) => {
    const result = await probe(server, timeoutMs);
    results[index] = result;
    if (!result.alive) throw new Error(result.reason);
  });
  const firstAlive = Promise.any(probes).then(() => sleep(GRACE_MS));
  await Promise.race([firstAlive.catch(() => undefined), Promise.allSettled(probes)]);
  return [
    ...results.filter((result) => result.alive),
    ...results.filter((result) => !result.alive),
  ];
}
