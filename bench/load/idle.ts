/** Idle connections beside the load, held by a process of its own. */
import { fileURLToPath } from 'node:url';
import { Child } from '../child.js';
import { cpuSeconds } from '../usage.js';

const PROGRAM = fileURLToPath(new URL('./idle_holder.js', import.meta.url));
const ANSWER_MS = 120_000;

export class IdleConnections {
  private constructor(private readonly holder: Child) {}

  /** Opens them and waits until each has had an answer. @param logFile for what goes wrong */
  static async open(port: number, count: number, logFile: string): Promise<IdleConnections> {
    const command = [process.execPath, PROGRAM, String(port), String(count)];
    const holder = new Child(command, logFile, ANSWER_MS);
    try {
      await holder.line();
    } catch (error) {
      await holder.stop();
      throw error;
    }
    return new IdleConnections(holder);
  }

  /** How many were closed by the server, or answered wrong, so far. */
  async lost(): Promise<number> {
    return Number(await this.holder.ask('lost'));
  }

  /** CPU time of their holder so far, in seconds. */
  cpuSeconds(): Promise<number> {
    return cpuSeconds(this.holder.pids);
  }

  close(): Promise<void> {
    return this.holder.stop();
  }
}
