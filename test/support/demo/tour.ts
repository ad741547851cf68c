/** What to try while the demo runs. Every command here has to work as it stands. */
import { bold, dim, say } from './progress.js';
import type { World } from './world.js';

export function showTour({ ports, dir, mounts, gfserve }: World): void {
  const url = `http://127.0.0.1:${ports.http}`;
  const adminUrl = `http://127.0.0.1:${ports.admin}`;
  // With sudo, what the demo made belongs to root.
  const root = process.env.SUDO_UID === undefined ? '' : 'sudo ';
  const cluster = (command: string): string => `npm run cluster -- --dir ${dir} ${command}`;
  const pid = gfserve?.pid ?? 0;
  const page = `${mounts.unbit001}/index.html`;
  say();
  served(`${url}/`, 'a site on the volume unbit001, three copies of each file');
  served(`${url}/foo/`, 'the volume downloads, each file on one brick');
  served(`${url}/browse/`, 'the first volume again, as folders to look through');
  served(`${adminUrl}/status`, 'a live page: volumes, requests, workers');
  say();
  say(bold('In another terminal, in this folder:'));
  tries('change the page through a FUSE mount, then fetch it', [
    `${root}sed -i 's/touched a mount/looked so new/' ${page}`,
    `curl -s ${url}/ | grep '<h1>'`,
  ]);
  tries('300 MiB, and whether they are the right ones', [
    `curl ${url}/files/large.bin | sha256sum; grep large.bin ${mounts.unbit001}/files/SHA256SUMS`,
  ]);
  tries('a piece of it, and what has not changed is not sent again', [
    `curl -s -r 1000000-1000099 ${url}/files/large.bin | sha256sum`,
    `curl -sI -H "If-None-Match: $(curl -sI ${url}/ | sed -n 's/^ETag: //Ip' | tr -d '\\r')" ${url}/ | head -1`,
  ]);
  tries('kill a brick: nobody notices', [
    cluster('kill-brick unbit001 0'),
    cluster('start-bricks unbit001'),
  ]);
  tries('freeze a brick: requests wait some seconds, once in each worker, then do without it', [
    cluster('stop-brick unbit001 1'),
    `curl -so /dev/null -w '%{http_code} after %{time_total} s\\n' ${url}/how/`,
    cluster('cont-brick unbit001 1'),
  ]);
  tries('kill a worker: the other one serves, a new one starts', [
    `${root}kill -9 $(pgrep -P ${pid} | head -1)`,
  ]);
  tries('stop gfserve and with it the demo; downloads under way get 5 s to finish', [
    `${root}kill ${pid}`,
  ]);
  say();
  say(`${dir} has server.ini and access.log. ${bold('Ctrl-C')} takes everything away.`);
  say();
}

function served(url: string, what: string): void {
  say(`  ${bold(url.padEnd(30))}  ${what}`);
}

function tries(title: string, commands: readonly string[]): void {
  say();
  say(`  ${dim(`# ${title}`)}`);
  for (const command of commands) say(`  ${command}`);
}
