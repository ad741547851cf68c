/** What the kernel says of another process's file descriptors. */
import { readdir, readFile } from 'node:fs/promises';

export interface ProcessFiles {
  readonly open: number;
  readonly most: number;
}

/** null: it has gone, or may not be looked at. */
export async function processFiles(pid: number): Promise<ProcessFiles | null> {
  try {
    const [open, limits] = await Promise.all([
      readdir(`/proc/${pid}/fd`),
      readFile(`/proc/${pid}/limits`, 'utf8'),
    ]);
    const most = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
    return Number.isFinite(most) ? { open: open.length, most } : null;
  } catch {
    return null;
  }
}
