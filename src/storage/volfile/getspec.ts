/**
 * What a client of GlusterFS and glusterd say to each other about a volume's file: the arguments and results of GETSPEC
 * (gf_getspec_req and gf_getspec_rsp of glusterfs3-xdr.x), and the programs' numbers (protocol-common.h, xdr-common.h).
 */
import type { Credentials, Procedure } from './rpc.js';
import { XdrReader, XdrWriter } from './xdr.js';

/** GLUSTER_HNDSK_PROGRAM, GF_HNDSK_GETSPEC. */
export const GETSPEC: Procedure = { program: 14398633, version: 2, procedure: 2 };
/** GLUSTER_DUMP_PROGRAM, GF_DUMP_PING: what rpc_clnt asks for a sign of life. It leaves no line in glusterd's log. */
export const PING: Procedure = { program: 123451501, version: 1, procedure: 2 };
/** GLUSTER_CBK_PROGRAM, GF_CBK_FETCHSPEC: glusterd calls it when any volume's file has changed, and takes no reply. */
export const FETCHSPEC: Procedure = { program: 52743234, version: 1, procedure: 1 };

const AUTH_GLUSTERFS_V2 = 390039;

/**
 * Op-versions of GlusterFS that a client can be served with: a volume with options that need a later one answers ENOTSUP. The
 * greatest is that of the release that gfserve was tested with; what is later than that, libgfapi asks for by itself.
 */
const OP_VERSIONS = { 'min-op-version': 1, 'max-op-version': 100000 };

/** auth_glusterfs_parms_v2: pid, uid, gid, groups, lock owner; the last one is the pid again, as in libgfapi. */
export function credentials(pid: number, uid: number, gid: number): Credentials {
  const owner = Buffer.alloc(4);
  owner.writeUInt32LE(pid >>> 0);
  const body = new XdrWriter().words(pid, uid, gid, 0).opaque(owner).bytes();
  return { flavor: AUTH_GLUSTERFS_V2, body };
}

/** A dict_t as dict_serialize writes it: the count; of each pair both lengths, the key with a NUL, the value with one. */
function serialisedDict(pairs: Readonly<Record<string, number>>): Buffer {
  const entries = Object.entries(pairs);
  const count = Buffer.alloc(4);
  count.writeInt32BE(entries.length);
  const parts = entries.map(([key, value]) => {
    const text = `${value}\0`;
    const lengths = Buffer.alloc(8);
    lengths.writeInt32BE(key.length, 0);
    lengths.writeInt32BE(text.length, 4);
    return Buffer.concat([lengths, Buffer.from(`${key}\0${text}`, 'latin1')]);
  });
  return Buffer.concat([count, ...parts]);
}

/** Asks for the volume file that clients of `volname` work by. */
export function getspecArguments(volname: string): Buffer {
  return new XdrWriter()
    .words(0) // no flags
    .opaque(Buffer.from(volname))
    .opaque(serialisedDict(OP_VERSIONS))
    .bytes();
}

export type Spec =
  /** Bytes, one a char. */
  | { readonly kind: 'text'; readonly text: string }
  /** glusterd has none to give: ENOENT where there is no such volume. */
  | { readonly kind: 'refused'; readonly errno: number }
  | { readonly kind: 'malformed'; readonly reason: string };

export function parseSpec(results: Buffer): Spec {
  const reader = new XdrReader(results);
  const length = reader.signed();
  const errno = reader.signed();
  const spec = reader.opaque();
  reader.opaque(); // other servers' addresses
  if (!reader.ok) return { kind: 'malformed', reason: 'an answer that is cut short' };
  if (length < 0) return { kind: 'refused', errno };
  const text = spec.toString('latin1').replace(/\0+$/, '');
  if (text.length !== length || !/^\s*volume /m.test(text)) {
    return { kind: 'malformed', reason: 'something else than a volume file' };
  }
  return { kind: 'text', text };
}
