/** Which peers are trusted proxies. */
import { BlockList } from 'node:net';

/** At most this many peers are remembered. */
const REMEMBERED = 1000;

/**
 * `proxies` as `[server] trusted-proxies` has them: addresses, blocks, and `unix:` for whoever comes through a unix
 * socket. The function takes what uWebSockets.js gives for the peer: 4 or 16 bytes, or none on a unix socket.
 */
export function createTrust(proxies: readonly string[]): (address: ArrayBuffer) => boolean {
  const list = new BlockList();
  const unix = proxies.includes('unix:');
  for (const proxy of proxies) {
    if (proxy === 'unix:') continue;
    const [address = '', prefix] = proxy.split('/');
    const family = address.includes(':') ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  // Few peers make many requests, and asking the list takes a microsecond.
  const remembered = new Map<number, boolean>();
  const isTrusted4 = (bytes: Uint8Array): boolean => {
    const [a = 0, b = 0, c = 0, d = 0] = bytes;
    const key = ((a * 256 + b) * 256 + c) * 256 + d;
    let trusted = remembered.get(key);
    if (trusted === undefined) {
      trusted = list.check(bytes.join('.'), 'ipv4');
      if (remembered.size >= REMEMBERED) remembered.clear();
      remembered.set(key, trusted);
    }
    return trusted;
  };
  return (address) => {
    const bytes = new Uint8Array(address);
    if (bytes.length === 4) return isTrusted4(bytes);
    if (bytes.length !== 16) return unix;
    // An IPv4 peer of an IPv6 socket (RFC 4291 §2.5.5.2).
    const mapped = bytes.subarray(0, 12).every((byte, index) => byte === (index < 10 ? 0 : 255));
    if (mapped) return isTrusted4(bytes.subarray(12));
    const words = new DataView(address);
    const groups = Array.from({ length: 8 }, (_, index) => words.getUint16(index * 2).toString(16));
    return list.check(groups.join(':'), 'ipv6');
  };
}
