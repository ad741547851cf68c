/**
 * A program: holds idle connections. Arguments: port, their number. It prints a line when all are open and each has had
 * an answer. Each asks once in `EVERY_MS`, as gfserve closes connections that were idle for 10 s and nginx those that
 * were for 75 s. Each line of its input is answered with the number of those lost so far.
 */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const EVERY_MS = 6000;
const TICK_MS = 20;
/** Connections being opened at once; fewer than any server's backlog. */
const OPENING = 100;

const [port = '', count = ''] = process.argv.slice(2);
/** No server looks at a file for it: gfserve answers 204, nginx 405. Over FUSE a file each would be too much. */
const REQUEST = 'OPTIONS / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
const ANSWER = /^HTTP\/1\.1 (204|405)/;
/** Those that are open, the one that is to ask next first. */
const resting: { readonly socket: Socket; readonly due: number }[] = [];
let lost = 0;

function rest(socket: Socket): void {
  resting.push({ socket, due: performance.now() + EVERY_MS });
}

function open(): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: Number(port), noDelay: true });
    let alive = true;
    const lose = (): void => {
      if (alive) lost += 1;
      alive = false;
      socket.destroy();
      resolve();
    };
    socket.on('connect', () => socket.write(REQUEST));
    socket.on('data', (data) => {
      if (!ANSWER.test(data.toString('latin1', 0, 12))) lose();
      else rest(socket);
      resolve();
    });
    socket.on('error', lose).on('close', lose);
  });
}

async function openAll(): Promise<void> {
  let left = Number(count);
  const opener = async (): Promise<void> => {
    while (left-- > 0) await open();
  };
  await Promise.all(Array.from({ length: OPENING }, opener));
}

/** An answer makes a connection rest again. */
function askDue(): void {
  const now = performance.now();
  let count = 0;
  while ((resting[count]?.due ?? Number.POSITIVE_INFINITY) <= now) count += 1;
  for (const { socket } of resting.splice(0, count)) {
    if (socket.writable) socket.write(REQUEST);
  }
}

// From the start: on a busy machine the first ones would not live until the last ones are open.
setInterval(askDue, TICK_MS);
await openAll();
process.stdout.write('open\n');
createInterface({ input: process.stdin }).on('line', () => {
  process.stdout.write(`${lost}\n`);
});
