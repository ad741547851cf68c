/** What a process has open, for people who look for what it has too many of. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** `0100007F:1F90` of /proc/net/tcp. */
function addressOf(hex: string): string {
  const [ip = '', port = ''] = hex.split(':');
  const bytes = Buffer.from(ip, 'hex').reverse();
  return `${bytes.join('.')}:${Number.parseInt(port, 16)}`;
}

/** TCP over IPv4, by inode. */
function connections(pid: number): Map<string, string> {
  const lines = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').split('\n').slice(1);
  return new Map(
    lines.flatMap((line): [string, string][] => {
      const [, local = '', remote = '', state = '', , , , , , inode = ''] = line
        .trim()
        .split(/\s+/);
      if (inode === '') return [];
      return [[inode, `tcp ${addressOf(local)} to ${addressOf(remote)} in state ${state}`]];
    }),
  );
}

/** One line for each descriptor. */
export function descriptorsOf(pid: number): string[] {
  try {
    const byInode = connections(pid);
    return readdirSync(`/proc/${pid}/fd`).map((fd) => {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      return (inode === undefined ? null : byInode.get(inode)) ?? target;
    });
  } catch {
    // It has ended, or closed one meanwhile.
    return [];
  }
}

/** Those of `now` that were not there `then`; ports and inodes make each unlike the others. */
export const newOnes = (then: readonly string[], now: readonly string[]): string[] =>
  now.filter((each) => !then.includes(each));
