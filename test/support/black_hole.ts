/** An address that swallows connections, as a machine does that has lost its power: SYNs go unanswered. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const LISTENER = `
require('node:net').createServer().listen({ host: process.argv[1], port: Number(process.argv[2]), backlog: 1 },
  () => process.stdout.write('up\\n'));
`;

/** A stopped process with a full accept queue. */
export class BlackHole {
  private constructor(
    private readonly child: ChildProcess,
    private readonly fillers: readonly net.Socket[],
  ) {}

  static async open(host: string, port: number): Promise<BlackHole> {
    const child = spawn(process.execPath, ['-e', LISTENER, host, String(port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    if (child.stdout) await once(child.stdout, 'data');
    child.kill('SIGSTOP');
    const fillers: net.Socket[] = [];
    // The kernel takes a few connections into the queue; the first one that hangs proves it full.
    for (let hangs = false; !hangs; ) {
      if (fillers.length > 50) throw new Error(`${host}:${port} cannot be filled`);
      const socket = net.connect({ host, port });
      socket.on('error', () => undefined);
      fillers.push(socket);
      hangs = !(await Promise.race([
        once(socket, 'connect').then(() => true),
        sleep(300).then(() => false),
      ]));
    }
    return new BlackHole(child, fillers);
  }

  async close(): Promise<void> {
    for (const socket of this.fillers) socket.destroy();
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}
