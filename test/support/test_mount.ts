/** Mounts for tests of pure code: compiled from a configuration as the real ones are, on a storage that is never asked. */
import type { MountConfig } from '../../src/config/types.js';
import { createRouter, type Mount } from '../../src/http/route.js';
import type { Storage } from '../../src/storage/storage.js';
import { mountConfig } from './mount_config.js';

export const unaskedStorage: Storage = {
  name: 'v',
  root: () => 0,
  open: () => {
    throw new Error('nothing is opened here');
  },
  watch: () => undefined,
};

export function testMount(changes: Partial<MountConfig>): Mount {
  const config = mountConfig(changes);
  const router = createRouter([config], () => unaskedStorage);
  const mount = router.match(config.hosts[0] ?? '', config.path);
  if (!mount) throw new Error('the mount does not match its own path');
  return mount;
}
