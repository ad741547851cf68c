/** Files whose every 4 KiB block says which version of the file it is of, and a reader that judges what it gets. */
import http from 'node:http';

const BLOCK = 4096;

/** All of one version. `version` 1 to 2^32 - 1, `size` a multiple of 4 KiB. */
export function versionContent(version: number, size: number): Buffer {
  const content = Buffer.alloc(size);
  for (let at = 0; at < size; at += BLOCK) blockOf(version, at / BLOCK).copy(content, at);
  return content;
}

function blockOf(version: number, index: number): Buffer {
  const mark = Buffer.alloc(8);
  mark.writeUInt32LE(version, 0);
  mark.writeUInt32LE(index, 4);
  return Buffer.alloc(BLOCK, mark);
}

export interface Verdict {
  readonly status: number;
  /** The Content-Length. */
  readonly announced: number;
  readonly bytes: number;
  /** Versions of the whole blocks that came, in order of their first appearance. */
  readonly versions: readonly number[];
  /** A block that is of no version at its place, such as zeros where nothing was written. */
  readonly strange: boolean;
  readonly complete: boolean;
  readonly etag: string;
  /** What an answer other than 200 says. */
  readonly text: string;
}

/** Downloads, resting for `restMs` after every 64 KiB or so, and judges each block. Rejects when there is no answer. */
export function readVersions(port: number, path: string, restMs: number): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      const judge = new Judge();
      let text = '';
      const finish = (): void => {
        const announced = Number(response.headers['content-length']);
        const { bytes, versions, strange } = judge;
        const complete = response.complete && bytes === announced;
        const status = response.statusCode ?? 0;
        const etag = response.headers.etag ?? '';
        resolve({
          status,
          announced,
          bytes,
          versions: [...versions],
          strange,
          complete,
          etag,
          text,
        });
      };
      response.on('data', (data: Buffer) => {
        if (response.statusCode === 200) judge.take(data);
        else text += data.toString();
        if (restMs === 0) return;
        response.pause();
        setTimeout(() => response.resume(), restMs);
      });
      response.on('error', () => undefined);
      response.on('close', finish);
    });
    request.on('error', reject);
  });
}

class Judge {
  readonly versions = new Set<number>();
  strange = false;
  bytes = 0;
  #index = 0;
  #rest = Buffer.alloc(0);

  take(data: Buffer): void {
    this.bytes += data.length;
    const all = Buffer.concat([this.#rest, data]);
    let at = 0;
    for (; at + BLOCK <= all.length; at += BLOCK) {
      const block = all.subarray(at, at + BLOCK);
      const version = block.readUInt32LE(0);
      if (version === 0 || !block.equals(blockOf(version, this.#index))) this.strange = true;
      this.versions.add(version);
      this.#index += 1;
    }
    this.#rest = Buffer.from(all.subarray(at));
  }
}
