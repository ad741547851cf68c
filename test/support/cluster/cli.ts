/** The command line of a development cluster: `npm run cluster -- COMMAND`. See HELP. */
import { rmdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { destroy } from './cleanup.js';
import { Cluster, defaultDir } from './cluster.js';
import { livingOwner, readState } from './state.js';
import { renderStatus } from './status.js';

const HELP = `A GlusterFS cluster on loopback, for development.

Usage: npm run cluster -- COMMAND [--dir DIR]

  up [--nodes N]            start N glusterds (default 3) and leave them running
  volume NAME [--replica N] [--bricks N] [--option KEY=VALUE]...
                            create and start a volume; without --replica one brick per node
  delete-volume NAME        unmount, stop and delete a volume
  set NAME KEY=VALUE        set a volume option
  mount NAME                mount a volume through FUSE and print where
  unmount NAME
  status                    show nodes, volumes, bricks and mounts
  stop-brick NAME I         freeze brick I (SIGSTOP); bricks count from 0
  cont-brick NAME I         let it go on (SIGCONT)
  kill-brick NAME I         kill it (SIGKILL)
  start-bricks NAME         start the bricks that don't run
  stop-glusterd N           freeze the glusterd of node N (SIGSTOP); nodes count from 1
  cont-glusterd N           let it go on (SIGCONT)
  kill-glusterd N           kill it (SIGKILL)
  start-glusterd N          start it again
  gluster -- ARGS...        run the gluster command line
  down                      take everything away, the data too

  --dir DIR                 the cluster's folder (default ${defaultDir()})
  -h, --help

Exit status: 0 done, 1 failed, 2 wrong usage.`;

class UsageError extends Error {}

interface Invocation {
  readonly dir: string;
  readonly nodes: string | undefined;
  readonly replica: string | undefined;
  readonly bricks: string | undefined;
  readonly option: readonly string[];
  readonly args: readonly string[];
}

type Command = (invocation: Invocation) => Promise<void>;

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

function integer(text: string | undefined, what: string): number {
  if (text === undefined || !/^\d+$/.test(text)) {
    throw new UsageError(`${what} must be a number${text === undefined ? '' : `, not ${text}`}`);
  }
  return Number(text);
}

function optionalInteger(text: string | undefined, what: string): number | undefined {
  return text === undefined ? undefined : integer(text, what);
}

function keyValue(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`${text} is not KEY=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Checks how many words a command has and attaches to the cluster. */
async function attach({ dir, args }: Invocation, words: readonly string[]): Promise<Cluster> {
  if (args.length !== words.length) {
    throw new UsageError(`expected ${words.length === 0 ? 'no arguments' : words.join(' ')}`);
  }
  return await Cluster.attach(dir, say).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}; start one with: npm run cluster -- up`);
  });
}

function volumeCommand(action: (cluster: Cluster, name: string) => Promise<void>): Command {
  return async (invocation) => {
    const cluster = await attach(invocation, ['NAME']);
    await action(cluster, invocation.args[0] ?? '');
  };
}

function brickCommand(
  action: (cluster: Cluster, name: string, index: number) => Promise<void>,
): Command {
  return async (invocation) => {
    const cluster = await attach(invocation, ['NAME', 'I']);
    const [name = '', index] = invocation.args;
    await action(cluster, name, integer(index, 'the brick'));
  };
}

function nodeCommand(action: (cluster: Cluster, node: number) => Promise<void>): Command {
  return async (invocation) => {
    const cluster = await attach(invocation, ['N']);
    await action(cluster, integer(invocation.args[0], 'the node'));
  };
}

async function up({ dir, nodes, args }: Invocation): Promise<void> {
  if (args.length > 0) throw new UsageError('expected no arguments');
  const count = optionalInteger(nodes, '--nodes');
  const running = await Cluster.attach(dir).catch(() => null);
  const glusterds = running === null ? [] : await running.glusterds();
  if (running !== null && glusterds.every((one) => one.state === 'online')) {
    const here = running.addresses.length;
    if (count !== undefined && count !== here) {
      throw new Error(`${dir}: a cluster of ${here} nodes runs there; take it down first`);
    }
    say(`already up in ${dir}: ${running.addresses.join(', ')}`);
    return;
  }
  const begin = Date.now();
  const forget = destroyOnSignal(dir);
  const options = count === undefined ? {} : { nodes: count };
  const cluster = await Cluster.up({ dir, keep: true, log: say, ...options });
  forget();
  say(`up in ${((Date.now() - begin) / 1000).toFixed(1)} s, in ${cluster.dir}`);
  say('next: npm run cluster -- volume NAME --replica 3');
}

/** An interrupted `up` takes away what it has started so far. */
function destroyOnSignal(dir: string): () => void {
  const interrupted = (signal: NodeJS.Signals): void => {
    say(`${signal}: cleaning up`);
    const code = signal === 'SIGINT' ? 130 : 143;
    void destroy(dir)
      .then(() => rmdir(dir))
      .catch(() => undefined)
      .finally(() => process.exit(code));
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  return () => {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  };
}

async function volume(invocation: Invocation): Promise<void> {
  const cluster = await attach(invocation, ['NAME']);
  const [name = ''] = invocation.args;
  const replica = optionalInteger(invocation.replica, '--replica');
  const bricks = optionalInteger(invocation.bricks, '--bricks');
  await cluster.createVolume(name, {
    options: Object.fromEntries(invocation.option.map(keyValue)),
    ...(replica === undefined ? {} : { replica }),
    ...(bricks === undefined ? {} : { bricks }),
  });
  say(`volume ${name} is up, served by ${cluster.addresses.join(', ')}`);
}

async function down({ dir, args }: Invocation): Promise<void> {
  if (args.length > 0) throw new UsageError('expected no arguments');
  const state = await readState(dir);
  if (state === null) {
    say(`no cluster in ${dir}, nothing to do`);
    return;
  }
  const owner = await livingOwner(state);
  if (owner !== null) throw new Error(`the cluster in ${dir} belongs to running process ${owner}`);
  await (await Cluster.attach(dir)).down();
  say(`${dir} is gone`);
}

const COMMANDS: Readonly<Record<string, Command>> = {
  up,
  volume,
  down,
  status: async (invocation) => say(await renderStatus(await attach(invocation, []))),
  mount: volumeCommand(async (cluster, name) => say(await cluster.mount(name))),
  unmount: volumeCommand((cluster, name) => cluster.unmount(name)),
  'delete-volume': volumeCommand((cluster, name) => cluster.deleteVolume(name)),
  set: async (invocation) => {
    const cluster = await attach(invocation, ['NAME', 'KEY=VALUE']);
    const [name = '', setting = ''] = invocation.args;
    await cluster.setOption(name, ...keyValue(setting));
  },
  'start-bricks': volumeCommand((cluster, name) => cluster.startBricks(name)),
  'stop-brick': brickCommand((cluster, name, index) => cluster.stopBrick(name, index)),
  'cont-brick': brickCommand((cluster, name, index) => cluster.contBrick(name, index)),
  'kill-brick': brickCommand((cluster, name, index) => cluster.killBrick(name, index)),
  'stop-glusterd': nodeCommand((cluster, node) => cluster.stopGlusterd(node)),
  'cont-glusterd': nodeCommand((cluster, node) => cluster.contGlusterd(node)),
  'kill-glusterd': nodeCommand((cluster, node) => cluster.killGlusterd(node)),
  'start-glusterd': nodeCommand((cluster, node) => cluster.startGlusterd(node)),
  gluster: async ({ dir, args }) => {
    const cluster = await Cluster.attach(dir);
    process.stdout.write(await cluster.gluster(...args));
  },
};

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        dir: { type: 'string' },
        nodes: { type: 'string' },
        replica: { type: 'string' },
        bricks: { type: 'string' },
        option: { type: 'string', multiple: true },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function main(argv: readonly string[]): Promise<void> {
  const { values, positionals } = parse(argv);
  const [name, ...args] = positionals;
  if (values.help === true || name === 'help') {
    say(HELP);
    return;
  }
  const command = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name ?? ''] : undefined;
  if (command === undefined) {
    throw new UsageError(name === undefined ? 'no command given' : `no such command: ${name}`);
  }
  await command({
    dir: resolve(values.dir ?? defaultDir()),
    nodes: values.nodes,
    replica: values.replica,
    bricks: values.bricks,
    option: values.option ?? [],
    args,
  });
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const usage = error instanceof UsageError;
  process.stderr.write(`cluster: ${error instanceof Error ? error.message : String(error)}\n`);
  if (usage) process.stderr.write('Try: npm run cluster -- --help\n');
  process.exitCode = usage ? 2 : 1;
});
