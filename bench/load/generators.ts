/** What makes the load. */
import { isInstalled } from '../programs.js';
import { runAutocannon } from './autocannon.js';
import type { Generator } from './load.js';
import { runWrk } from './wrk.js';

export const GENERATORS: Readonly<Record<string, Generator>> = {
  wrk: runWrk,
  autocannon: runAutocannon,
};

/** The better one of those that are there. */
export function defaultGenerator(): string {
  return isInstalled('wrk') ? 'wrk' : 'autocannon';
}
