/** A file that is in memory, for tests of the ways that need not ask the volume. */
import type { Request } from '../../src/http/request.js';
import type { Stat } from '../../src/storage/storage.js';

export const stat: Stat = {
  type: 'file',
  size: 5,
  mtimeSeconds: 1_700_000_000,
  mtimeNanoseconds: 1,
  ctimeSeconds: 1_700_000_000,
  ctimeNanoseconds: 1,
  gfid: 'ab'.repeat(16),
};

/** Its entity tag. */
export const TAG = `"${stat.gfid}-5-s44we8.1"`;

/** A plain GET. */
export const request = (url: string, host = '', acceptEncoding = ''): Request => ({
  method: 'GET',
  target: url,
  url,
  query: '',
  host,
  hasBody: false,
  conditions: null,
  acceptEncoding,
  referer: '',
  userAgent: '',
});
