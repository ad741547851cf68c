import { loadConfig } from './config/load.js';
import { type Config, formatConfigError, type VolumeConfig } from './config/types.js';
import { describe } from './describe.js';
import { oneLine } from './observe/log.js';

/** How `gfserve check --connect` tries a volume: storage/volume.ts has it. */
export type ConnectOnce = (
  spec: VolumeConfig,
  options: { readonly deadlineMs: number },
) => Promise<
  | { readonly ok: true; readonly ms: number; readonly server: string }
  | { readonly ok: false; readonly ms: number; readonly code: string; readonly message: string }
>;

/** Each takes one line, without its newline. */
export interface Output {
  out(line: string): void;
  err(line: string): void;
}

const CONNECT_DEADLINE_MS = 30_000;

/** Loads the configuration, or prints every error in it and returns null. */
export function loadOrExplain(file: string, { err }: Output): Config | null {
  const result = loadConfig(file);
  if (result.ok) return result.config;
  for (const error of result.errors) err(oneLine(formatConfigError(error)));
  const count = result.errors.length;
  err(`GFS_CONFIG: ${oneLine(file)} has ${count === 1 ? 'an error' : `${count} errors`}`);
  return null;
}

/** `gfserve check`: all errors, or warnings and a summary. Connects the volumes where it gets something to do it with. */
export async function check(
  file: string,
  output: Output,
  connect: ConnectOnce | null,
): Promise<number> {
  const config = loadOrExplain(file, output);
  if (!config) return 1;
  for (const warning of config.warnings) output.err(`warning: ${oneLine(warning)}`);
  const { listeners, volumes, mounts } = describe(config);
  output.out(`${oneLine(file)} is valid`);
  for (const listener of listeners) output.out(`listener ${oneLine(listener)}`);
  for (const line of [...volumes, ...mounts]) output.out(oneLine(line));
  if (!connect) return 0;
  const all = await Promise.all(config.volumes.map((volume) => tryVolume(volume, connect, output)));
  return all.every(Boolean) ? 0 : 1;
}

async function tryVolume(
  volume: VolumeConfig,
  connect: ConnectOnce,
  output: Output,
): Promise<boolean> {
  const result = await connect(volume, { deadlineMs: CONNECT_DEADLINE_MS });
  const ms = Math.round(result.ms);
  if (result.ok) {
    output.out(oneLine(`volume ${volume.name} connected in ${ms} ms through ${result.server}`));
  } else {
    const reason = `${result.code}: ${result.message}`;
    output.err(oneLine(`volume ${volume.name} failed after ${ms} ms: ${reason}`));
  }
  return result.ok;
}
