import { availableParallelism } from 'node:os';
import { checkRules } from './check_rules.js';
import { volumeName } from './names.js';
import type { Reading } from './reading.js';
import type { Report } from './report.js';
import type { admin, cache, mount, server, volume } from './schema.js';
import { didYouMean } from './suggest.js';
import type { ListenAddress } from './types.js';

export interface Readings {
  readonly server: Reading<typeof server.keys>;
  readonly admin: Reading<typeof admin.keys>;
  readonly cache: Reading<typeof cache.keys>;
  readonly volumes: readonly Reading<typeof volume.keys>[];
  readonly mounts: readonly Reading<typeof mount.keys>[];
}

/** What can only be said of several values together. */
export function checkTogether(readings: Readings, report: Report): void {
  checkListeners(readings, report);
  checkCache(readings, report);
  for (const each of readings.volumes) checkVolume(each, report);
  for (const each of readings.mounts) {
    checkRules(each, report);
    checkCompression(each, readings.cache, report);
  }
  checkReferences(readings, report);
  checkOverlaps(readings.mounts, report);
}

/** Equal for two addresses that can't both be listened on. */
function identity(address: ListenAddress): string {
  return address.kind === 'unix' ? address.path : `${address.host.toLowerCase()} ${address.port}`;
}

function checkListeners({ server, admin }: Readings, report: Report): void {
  const lines = new Map<string, number | null>();
  const { listen, workers } = server.values;
  for (const [index, address] of listen?.entries() ?? []) {
    const place = server.place('listen', index);
    if (address.kind === 'unix' && !address.path.includes('%w') && (workers ?? 1) !== 1) {
      report.error(place, "needs %w, the worker's number, in its path, or else workers = 1");
    }
    const earlier = lines.get(identity(address));
    if (earlier !== undefined) report.error(place, `is the same address as in line ${earlier}`);
    else lines.set(identity(address), place.line);
  }
  const address = admin.values.listen;
  if (!address) return;
  const taken = lines.get(identity(address));
  if (taken !== undefined) {
    report.error(admin.place('listen'), `is the same address as in line ${taken}`);
  }
  if (address.kind === 'unix' && address.path.includes('%w')) {
    report.error(admin.place('listen'), 'has %w in its path, but no worker listens there');
  }
}

function checkCache({ server, cache }: Readings, report: Report): void {
  const { size, 'max-object': maxObject } = cache.values;
  if (size === undefined || maxObject === undefined) return;
  if (size === 0) {
    for (const key of ['max-object', 'valid', 'negative', 'stale-if-error'] as const) {
      if (cache.isSet(key)) report.error(cache.place(key), 'has no effect with size = 0');
    }
    return;
  }
  const { workers } = server.values;
  const count = workers === 'auto' || workers === undefined ? availableParallelism() : workers;
  if (cache.isSet('max-object') && maxObject > size / count) {
    report.warn(
      cache.place('max-object'),
      `is more than a worker's share of size: each of the ${count} has ${Math.floor(size / count)} bytes`,
    );
  }
}

function checkVolume(reading: Reading<typeof volume.keys>, report: Report): void {
  const { name, values, isSet, place } = reading;
  if (values.servers && values.volfile) {
    report.error(place('volfile'), "can't be set together with servers");
  }
  if (values.servers === null && values.volfile === null) {
    report.error(place(), 'servers is missing, or volfile in its place');
  }
  if (values.volname === null && !volumeName.parse(name).ok) {
    report.error(place(), `"${name}" can't be a volume's name on the cluster: set volname`);
  }
  if (values['log-file'] === null && isSet('log-level')) {
    report.error(place('log-level'), 'has no effect without log-file');
  }
}

function checkCompression(
  { values, isSet, place }: Reading<typeof mount.keys>,
  cache: Readings['cache'],
  report: Report,
): void {
  if (values.compress === undefined) return;
  if (values.compress === null) {
    for (const key of ['compress-types', 'compress-min-size'] as const) {
      if (isSet(key)) report.error(place(key), 'has no effect without compress');
    }
    return;
  }
  const { size, 'max-object': maxObject = Number.POSITIVE_INFINITY } = cache.values;
  if (size === 0) {
    report.error(
      place('compress'),
      'needs the cache, as each file is compressed once and kept there; [cache] size = 0 turns it off',
    );
  } else if ((values['compress-min-size'] ?? 0) > maxObject) {
    report.error(
      place('compress-min-size'),
      `is more than [cache] max-object, and only files up to that, ${maxObject} bytes, are compressed`,
    );
  }
}

function checkReferences({ volumes, mounts }: Readings, report: Report): void {
  const names = volumes.map(({ name }) => name);
  for (const { values, place } of mounts) {
    if (values.volume === undefined || names.includes(values.volume)) continue;
    report.error(
      place('volume'),
      `there is no [volume ${values.volume}]${didYouMean(values.volume, names)}`,
    );
  }
  for (const { name, place } of volumes) {
    if (mounts.every(({ values }) => values.volume !== name)) {
      report.warn(place(), 'no mount uses this volume');
    }
  }
}

/** Two mounts that are for the same host and path: no request could ever reach one of them. */
function checkOverlaps(mounts: Readings['mounts'], report: Report): void {
  const owners = new Map<string, Reading<typeof mount.keys>>();
  for (const reading of mounts) {
    const { path, host } = reading.values;
    if (path === undefined || host === undefined) continue;
    for (const each of host ?? [null]) {
      const identity = `${each ?? ''} ${path}`;
      const earlier = owners.get(identity);
      if (!earlier) {
        owners.set(identity, reading);
        continue;
      }
      const { line } = earlier.place('path');
      report.error(
        reading.place('path'),
        `[mount ${earlier.name}] already has ${path} for ${each ?? 'every host'}, in line ${line}`,
      );
    }
  }
}
