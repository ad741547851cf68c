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
 * It has a socket of its own, which it leaves to its successor, for each address that it is to listen on.
 * It prints `ready NUMBER PID` or `slow NUMBER PID`, `inherits NUMBER KEY` for each socket it got, `leaves NUMBER PID` for each
 * that it has left, `reopens`, `drain` or `retire` with NUMBER PID for what it is told, and, when its supervisor is gone without having said drain, `orphaned NUMBER`, and
 * leaves: an end of the supervisor by kill -9 must leave no worker behind.
 */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { joinSupervisor, type ToWorker, type WorkerStatus } from '../../src/ipc.js';
import { http, sample, volumes, workers } from '../../src/observe/metrics.js';
import { type SocketHandle, socketKey } from '../../src/sockets.js';

const mode = readFileSync(process.env.FAKE_WORKER_MODE ?? '', 'utf8').trim();
if (mode === 'crashes') process.exit(3);

let number = 0;
const volumeState = mode === 'alone' ? 'connecting' : 'healthy';
let requests = 7;

const status = (): WorkerStatus => ({
  number,
  pid: process.pid,
  uptimeMs: Math.round(process.uptime() * 1000),
  requests: { total: 7, active: 1 },
  volumes: [
    { name: 'a', state: volumeState, server: 'b', since: 1, native: { threads: 8 }, bricks: [] },
  ],
  memory: process.memoryUsage(),
});

/** 7 requests, and 1 more each time that it is asked. */
function report(asked: boolean): void {
  if (asked) requests += 1;
  link.send({
    type: 'metrics',
    asked,
    samples: [
      sample(http.requests, ['main', 'GET', '200'], requests),
      sample(http.connections, [], 2),
      sample(volumes.state, ['a', volumeState], 1),
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
  for (const address of message.config.server.listen) leave(socketKey(address, number));
  link.send({ type: 'listening', listeners: message.config.server.listen.map(({ text }) => text) });
  if (mode === 'slow') {
    say('slow');
    return;
  }
  report(false);
  link.send({ type: 'ready' });
  process.stdout.write(`ready ${number} ${process.pid}\n`);
}

const inherited = new Map<string, SocketHandle>();

/** To whoever comes after it: the socket that it got, or an own one that listens on a port that nobody knows. */
function leave(key: string): void {
  const socket = inherited.get(key);
  if (socket) {
    process.stdout.write(`inherits ${number} ${key}\n`);
    link.sendSocket(key, socket);
    say('leaves');
    return;
  }
  const server = net.createServer().listen({ host: '127.0.0.1', port: 0, exclusive: true }, () => {
    link.sendSocket(key, (server as unknown as { _handle: SocketHandle })._handle);
    say('leaves');
  });
}

function say(word: string): void {
  process.stdout.write(`${word} ${number} ${process.pid}\n`);
}

const link = joinSupervisor({
  message(message, socket) {
    switch (message.type) {
      case 'socket':
        if (socket) inherited.set(message.key, socket);
        break;
      case 'start':
        start(message);
        break;
      case 'status':
        if (mode !== 'deaf') link.send({ type: 'status', id: message.id, body: status() });
        break;
      case 'measure':
        if (mode !== 'deaf') report(true);
        break;
      case 'reopen':
        say('reopens');
        break;
      case 'drain':
      case 'retire':
        say(message.type);
        if (mode !== 'stubborn') {
          link.send({ type: 'drained', finished: 2, cut: 1 }, () => process.exit(0));
        }
        break;
      default:
        message satisfies never;
    }
  },
  orphaned() {
    // Later, as a real drain would take its time: node:cluster must not have ended the process by then.
    setTimeout(() => process.stdout.write(`orphaned ${number}\n`), 50);
  },
});

process.on('SIGUSR2', () => link.send({ type: 'worn', ended: 4 }));
link.send({ type: 'hello' });
