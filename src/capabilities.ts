/** Capabilities (capabilities(7)) as bits, and which of them this process has. */
import { readFileSync } from 'node:fs';
import type { Capability } from './config/types.js';

/** Their bits in /proc/PID/status: linux/capability.h. */
const BITS: Readonly<Record<Capability, bigint>> = { net_bind_service: 1n << 10n };

export function capabilityBits(names: readonly Capability[]): bigint {
  return names.reduce((bits, name) => bits | BITS[name], 0n);
}

/** Whether this process, or one that it starts, may use a capability: it is effective in its main thread. */
export function hasCapability(name: Capability): boolean {
  const [, digits] = /^CapEff:\s*([0-9a-f]+)$/m.exec(ownStatus()) ?? [];
  return digits !== undefined && (BigInt(`0x${digits}`) & BITS[name]) !== 0n;
}

function ownStatus(): string {
  try {
    return readFileSync('/proc/self/status', 'utf8');
  } catch {
    return '';
  }
}
