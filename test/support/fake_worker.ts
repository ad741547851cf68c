/**
 * Stands in for src/worker.ts in the supervisor's tests: it speaks the protocol of src/ipc.ts and serves nothing. What
 * it does is the first word of the file that FAKE_WORKER_MODE names, read anew by each process, so that a test can
 * change it between a death and the next start:
 *
 *   ok        is ready, drains at once
 *   slow      is never ready
 *   fails     says `failed` and exits with 1
 *   crashes   exits with 3 before its first word
 *   stubborn  is ready, and ignores every drain
 *   deaf      is ready, and answers no question
 *   alone     is ready, and not connected to its volume
 *
 * It prints `ready NUMBER PID` and, when its supervisor is gone without having said drain, `orphaned NUMBER`, and
 * leaves: an end of the supervisor by kill -9 must leave no worker behind.
 */
import { readFileSync } from 'node:fs';
import { joinSupervisor, type ToWorker, type WorkerStatus } from '../../src/ipc.js';
import { http, sample, volumes, workers } from '../../src/observe/metrics.js';

const mode = readFileSync(process.env.FAKE_WORKER_MODE ?? '', 'utf8').trim();
if (mode === 'crashes') process.exit(3);

let number = 0;
let requests = 7;

const status = (): WorkerStatus => ({
  number,
  pid: process.pid,
  uptimeMs: Math.round(process.uptime() * 1000),
  requests: { total: 7, active: 1 },
  volumes: [
    { name: 'a', state: 'healthy', server: 'b', since: 1, native: { threads: 8 }, bricks: [] },
  ],
  memory: process.memoryUsage(),
});

/** 7 requests, and 1 more each time that it is asked. */
function report(asked: boolean): void {
  if (asked) requests += 1;
  const state = mode === 'alone' ? 'connecting' : 'healthy';
  link.send({
    type: 'metrics',
    asked,
    samples: [
      sample(http.requests, ['main', 'GET', '200'], requests),
      sample(http.connections, [], 2),
      sample(volumes.state, ['a', state], 1),
      sample(workers.rss, [String(number)], 1000),
    ],
  });
}

function start(message: ToWorker & { type: 'start' }): void {
  number = message.number;
  if (mode === 'fails') {
    const message = 'it would not';
    link.send({ type: 'failed', code: 'GFS_LISTEN', message }, () => process.exit(1));
    return;
  }
  link.send({ type: 'listening', listeners: message.config.server.listen.map(({ text }) => text) });
  if (mode === 'slow') return;
  report(false);
  link.send({ type: 'ready' });
  process.stdout.write(`ready ${number} ${process.pid}\n`);
}

const link = joinSupervisor({
  message(message) {
    if (message.type === 'start') start(message);
    else if (message.type === 'status') {
      if (mode !== 'deaf') link.send({ type: 'status', id: message.id, body: status() });
    } else if (message.type === 'measure') {
      if (mode !== 'deaf') report(true);
    } else if (mode !== 'stubborn') {
      link.send({ type: 'drained', finished: 2, cut: 1 }, () => process.exit(0));
    }
  },
  orphaned() {
    // Later, as a real drain would take its time: node:cluster must not have ended the process by then.
    setTimeout(() => process.stdout.write(`orphaned ${number}\n`), 50);
  },
});

link.send({ type: 'hello' });
