/** The receiving end of sd_notify(3), which Node has no sockets for: a small Python program, as Python is here to build the addon. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { until } from './gfserve.js';

const PROGRAM = `
import json, os, socket, struct, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
path = sys.argv[1]
s.bind('\\0' + path[1:] if path.startswith('@') else path)
if not path.startswith('@'): os.chmod(path, 0o777)
print('bound', flush=True)
while True:
    data, extra, _, _ = s.recvmsg(65536, 1024)
    pid = struct.unpack('iII', extra[0][2])[0]
    fields = dict(line.split('=', 1) for line in data.decode().split('\\n'))
    print(json.dumps({'pid': pid, 'ms': time.monotonic() * 1000, 'fields': fields}), flush=True)
`;

export interface Notice {
  /** Who sent it, by the kernel's word. */
  readonly pid: number;
  /** When it came, by CLOCK_MONOTONIC. */
  readonly ms: number;
  readonly fields: Readonly<Record<string, string>>;
}

export class NotifySocket {
  readonly notices: Notice[] = [];
  #isBound = false;

  private constructor(
    private readonly child: ChildProcess,
    readonly path: string,
  ) {
    if (!child.stdout) throw new Error('no pipe');
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'bound') this.#isBound = true;
      else this.notices.push(JSON.parse(line) as Notice);
    });
  }

  /** `path`: absolute, or `@` and an abstract name. */
  static async open(path: string): Promise<NotifySocket> {
    const child = spawn('python3', ['-c', PROGRAM, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const socket = new NotifySocket(child, path);
    await until('the notify socket is bound', 20_000, () => socket.#isBound);
    return socket;
  }

  /** Those that have this field. */
  having(name: string): Notice[] {
    return this.notices.filter(({ fields }) => fields[name] !== undefined);
  }

  /** STATUS as it was told last. */
  get status(): string {
    return this.having('STATUS').at(-1)?.fields.STATUS ?? '';
  }

  /** From now on nothing is read. */
  pause(): void {
    this.child.kill('SIGSTOP');
  }

  close(): void {
    this.child.kill('SIGKILL');
  }
}
