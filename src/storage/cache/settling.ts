/**
 * Files whose last change is so young that a brick may still be storing parts of it. A client sends the pieces of a large write
 * together, and a brick stores them in any order; as soon as the latest is stored, size and times are those of the whole
 * (posix_set_mdata_xattr, GlusterFS 10.3: "only the highest time is retained"). Until then the same stat does not mean the
 * same bytes: what was read is given, but looked at again until the file has settled. Only where the clock of the client that
 * writes is slower than that, and nothing was known of the name before, is a young file taken for one that has settled.
 */
import type { Stat } from '../storage.js';

/** Milliseconds after its last change from which on a file is taken to be what its stat says. */
export const SETTLING_MS = 10_000;
/** So many are remembered that were seen to change. */
const MOST = 4_096;

export class Settling {
  /** By gfid; in milliseconds of performance.now(). In the order of their changes. */
  readonly #settledAtMs = new Map<string, number>();

  /** It was seen to change just now, whatever its times say: the clock of the client that changes it may be slow. */
  saw(gfid: string): void {
    const nowMs = performance.now();
    this.#settledAtMs.delete(gfid);
    this.#settledAtMs.set(gfid, nowMs + SETTLING_MS);
    for (const [each, settledAtMs] of this.#settledAtMs) {
      if (settledAtMs > nowMs && this.#settledAtMs.size <= MOST) break;
      this.#settledAtMs.delete(each);
    }
  }

  /**
   * Until when what a look has read is in doubt that began at `sinceMs`; 0: it is not. In milliseconds of performance.now(). A
   * ctime in the future is that of a client whose clock is fast.
   */
  doubtedUntil(stat: Stat, sinceMs: number): number {
    const nowMs = performance.now();
    const changedMs = stat.ctimeSeconds * 1_000 + stat.ctimeNanoseconds / 1_000_000;
    const ageMs = Math.max(0, Date.now() - changedMs);
    const byClock = Math.max(nowMs, nowMs + SETTLING_MS - ageMs);
    const isYoung = ageMs - (nowMs - sinceMs) < SETTLING_MS;
    const until = Math.max(isYoung ? byClock : 0, this.#settledAtMs.get(stat.gfid) ?? 0);
    return until > sinceMs ? Math.ceil(until) : 0;
  }
}

/** Whether two readings of a file are the same, byte for byte. */
export const isSame = (
  a: { readonly bytes: Uint8Array },
  b: { readonly bytes: Uint8Array },
): boolean => Buffer.compare(a.bytes, b.bytes) === 0;
