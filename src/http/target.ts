/** Which file of which mount a path means, after redirects and rewrites. Pure. */
import type { RequestErrorCode } from '../errors.js';
import type { Mount, Router } from './route.js';
import type { Redirect } from './rules.js';
import type { Variables } from './substitute.js';

export type Target =
  | { readonly kind: 'path'; readonly mount: Mount; readonly path: string }
  | { readonly kind: 'redirect'; readonly mount: Mount; readonly redirect: Redirect }
  | { readonly kind: 'error'; readonly mount: Mount | null; readonly code: RequestErrorCode };

const MAX_REWRITES = 10;

/** `path` as of parsePath. A rewritten path is routed anew, and may end up on another mount. */
export function findTarget(router: Router, path: string, variables: Variables): Target {
  let current = path;
  for (let rewrites = 0; ; rewrites++) {
    const mount = router.match(variables.host, current);
    if (!mount) return { kind: 'error', mount: null, code: 'GFS_NO_MOUNT' };
    const redirect = mount.rules.redirect(current, variables);
    if (redirect) return { kind: 'redirect', mount, redirect };
    const rewritten = mount.rules.rewrite(current, variables);
    if (!rewritten) return { kind: 'path', mount, path: current };
    if (!rewritten.ok) return { kind: 'error', mount, code: rewritten.code };
    if (rewrites === MAX_REWRITES) return { kind: 'error', mount, code: 'GFS_REWRITE_LOOP' };
    current = rewritten.path;
  }
}
