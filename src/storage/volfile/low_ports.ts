/**
 * Ports below 1024, which some servers take connections from only: bricks of volumes with `server.allow-insecure off`, and a
 * glusterd with `rpc-auth-allow-insecure off`. libgfapi uses others unless it is told to, hides the refusal, and waits for
 * ever; so bricks are asked before.
 */
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCapability } from '../../capabilities.js';
import { credentials } from './getspec.js';
import {
  callRecord,
  DENIED,
  type Message,
  type Procedure,
  parseMessage,
  RecordReader,
} from './rpc.js';
import { XdrReader, XdrWriter } from './xdr.js';

/** glusterd's, which tells what port a brick has. */
const GLUSTERD_PORT = 24007;
/** GLUSTER_PMAP_PROGRAM, GF_PMAP_PORTBYBRICK (protocol-common.h). */
const PORT_BY_BRICK: Procedure = { program: 34123456, version: 1, procedure: 1 };
/** GLUSTER_HNDSK_PROGRAM, GF_HNDSK_NULL: a brick answers it, or denies it, and does nothing. */
const NOTHING: Procedure = { program: 14398633, version: 2, procedure: 0 };
/** The volume's option is the same on all; some may be out of reach. */
const MOST_ASKED = 3;
const XID = 1;

/** The range of bindresvport(3); each try takes another. */
const LOWEST = 600;
const HIGHEST = 1023;

export const lowPort = (): number => LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1));

export const mayUseLowPorts = (): boolean => hasCapability('net_bind_service');

/** What to do, for whoever may not. */
export const HOW_TO_GET_LOW_PORTS =
  'start gfserve as root or by systemd with CAP_NET_BIND_SERVICE, and set [server] capabilities = net_bind_service';

export interface BrickPlace {
  readonly host: string;
  /** As glusterd knows the brick: its path. */
  readonly name: string;
}

/** The bricks of a volume file that are reached by TCP. Pure. */
export function brickPlaces(volfile: string): BrickPlace[] {
  return volfile
    .split(/^end-volume/m)
    .filter((text) => /^\s*type protocol\/client\s*$/m.test(text))
    .flatMap((text) => {
      const option = (name: string): string | undefined =>
        new RegExp(`^\\s*option ${name}\\s+(\\S+)\\s*$`, 'm').exec(text)?.[1];
      const [host, name] = [option('remote-host'), option('remote-subvolume')];
      return host && name && !host.startsWith('/') ? [{ host, name }] : [];
    });
}

/**
 * Whether bricks take connections from ports below 1024 only. The first that can be asked decides; where none says anything
 * within `timeoutMs` it is taken that they don't mind. Never rejects.
 */
export async function refusesHighPorts(volfile: string, timeoutMs: number): Promise<boolean> {
  const byHost = new Map(brickPlaces(volfile).map((place) => [place.host, place]));
  const asked = [...byHost.values()]
    .slice(0, MOST_ASKED)
    .map((place) => asksBrick(place, timeoutMs));
  if (asked.length === 0) return false;
  const first = Promise.any(asked).catch(() => false);
  return await Promise.race([first, sleep(timeoutMs, false, { ref: false })]);
}

async function asksBrick({ host, name }: BrickPlace, timeoutMs: number): Promise<boolean> {
  const brick = new XdrWriter().opaque(Buffer.from(name)).bytes();
  const found = await callOnce(host, GLUSTERD_PORT, PORT_BY_BRICK, brick, timeoutMs);
  if (isDenial(found)) return true;
  const port = found.kind === 'reply' ? portOf(found.results) : 0;
  if (port === 0) throw new Error('the brick has no port');
  return isDenial(await callOnce(host, port, NOTHING, Buffer.alloc(0), timeoutMs));
}

const isDenial = (message: Message): boolean =>
  message.kind === 'refusal' && message.reason === DENIED;

/** pmap_port_by_brick_rsp: op_ret, op_errno, status, port. 0: there is none. */
function portOf(results: Buffer): number {
  const reader = new XdrReader(results);
  const [failed, , , port] = [reader.signed(), reader.signed(), reader.signed(), reader.signed()];
  return reader.ok && failed === 0 && port > 0 && port < 65536 ? port : 0;
}

/** One call on a connection of its own, from whatever port the system gives. Rejects where there is no answer. */
function callOnce(
  host: string,
  port: number,
  procedure: Procedure,
  args: Buffer,
  timeoutMs: number,
): Promise<Message> {
  return new Promise((resolve, reject) => {
    const records = new RecordReader();
    const socket = net.connect({ host, port });
    const timer = setTimeout(() => fail('no answer'), timeoutMs);
    const close = (): void => {
      clearTimeout(timer);
      socket.destroy();
    };
    const fail = (reason: string): void => {
      close();
      reject(new Error(reason));
    };
    const who = credentials(process.pid, process.geteuid?.() ?? 0, process.getegid?.() ?? 0);
    socket.on('connect', () => socket.write(callRecord(XID, procedure, who, args)));
    socket.on('error', ({ message }) => fail(message));
    socket.on('close', () => fail('it closed the connection'));
    socket.on('data', (piece: Buffer) => {
      const result = records.push(piece);
      if (!result.ok) return fail(result.reason);
      const [record] = result.records;
      if (record === undefined) return;
      close();
      resolve(parseMessage(record));
    });
  });
}
