/** Which peers are trusted proxies. */
import { BlockList, isIPv6 } from 'node:net';

/** At most this many addresses are remembered: clients choose them. */
const REMEMBERED = 1000;

/** Says of an address, as addresses.ts writes it, whether it is a trusted proxy's; '' is whoever comes through a unix socket. */
export type Trust = (address: string) => boolean;

/** `proxies` as `[server] trusted-proxies` has them: addresses, blocks, and `unix:`. */
export function createTrust(proxies: readonly string[]): Trust {
  const list = new BlockList();
  for (const proxy of proxies) {
    if (proxy === 'unix:') continue;
    const [address = '', prefix] = proxy.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  // Few peers make many requests, and asking the list takes a microsecond.
  const remembered = new Map<string, boolean>([['', proxies.includes('unix:')]]);
  return (address) => {
    const known = remembered.get(address);
    if (known !== undefined) return known;
    const isTrusted = list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
    if (remembered.size < REMEMBERED) remembered.set(address, isTrusted);
    return isTrusted;
  };
}
