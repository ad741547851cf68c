/** Many connections, by wrk. */
import { run } from '../../test/support/cluster/exec.js';
import { sourceFile } from '../source.js';
import type { FilesWork, Load } from './load.js';

interface WrkResult {
  readonly requests: number;
  readonly microseconds: number;
  readonly bytes: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpu: number;
  readonly connect: number;
  readonly read: number;
  readonly write: number;
  /** Answers with a status above 399. */
  readonly status: number;
  readonly timeout: number;
}

const ERRORS = ['connect', 'read', 'write', 'status', 'timeout'] as const;

function loadOf(result: WrkResult, size: number): Load {
  const failed = ERRORS.filter((kind) => result[kind] > 0);
  const texts = failed.map((kind) => `${kind} ${result[kind]}`);
  let errors = failed.reduce((sum, kind) => sum + result[kind], 0);
  // Whole bodies are checked before the measurement; here only that nothing is missing on average.
  if (result.bytes < result.requests * size) {
    errors += 1;
    texts.push('answers too short');
  }
  return {
    requests: result.requests - result.status,
    seconds: result.microseconds / 1e6,
    bytes: result.bytes,
    errors,
    errorText: texts.join(', '),
    latency: { p50Ms: result.p50 / 1000, p99Ms: result.p99 / 1000 },
    loadCpuSeconds: result.cpu,
  };
}

/** @throws CommandError when wrk can't be run */
export async function runWrk(port: number, work: FilesWork): Promise<Load> {
  const command = [
    // It must not outlive us, whatever ends us.
    ...['setpriv', '--pdeathsig', 'KILL', 'wrk'],
    '--threads=1',
    `--connections=${work.connections}`,
    `--duration=${work.seconds}s`,
    '--timeout=10s',
    `--script=${sourceFile('bench/load/random_paths.lua')}`,
    `http://127.0.0.1:${port}`,
    ...['--', work.pathsFile, String(work.seed)],
  ];
  const output = await run(command, (work.seconds + 60) * 1000);
  const json = /^RESULT (.*)$/m.exec(output)?.[1];
  if (json === undefined) throw new Error(`wrk printed no result:\n${output}`);
  return loadOf(JSON.parse(json) as WrkResult, work.size);
}
