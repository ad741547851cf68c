/** Reads access logs, of any size. */
import { createReadStream } from 'node:fs';

export interface LogLines {
  /** Lines as they should be. */
  right: number;
  /** Others, the first few of them. */
  wrong: number;
  readonly samples: string[];
}

export async function readLines(files: readonly string[], shape: RegExp): Promise<LogLines> {
  const result: LogLines = { right: 0, wrong: 0, samples: [] };
  const take = (line: string): void => {
    if (shape.test(line)) {
      result.right += 1;
      return;
    }
    result.wrong += 1;
    if (result.samples.length < 5) result.samples.push(line.slice(0, 300));
  };
  for (const file of files) {
    let rest = '';
    for await (const text of createReadStream(file, { encoding: 'latin1' })) {
      const lines = `${rest}${String(text)}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) take(line);
    }
    // What does not end in a newline is none.
    if (rest !== '') take(`${rest}(no newline)`);
  }
  return result;
}
