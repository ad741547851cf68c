import { expect, test } from '@jest/globals';
import { type Command, readArgs, USAGE } from '../../src/args.js';
import { explainLoad, nodeProblem } from '../../src/requirements.js';

const cases: [string, Command][] = [
  ['--config F', { kind: 'serve', file: 'F' }],
  ['--config=F', { kind: 'serve', file: 'F' }],
  ['-c F', { kind: 'serve', file: 'F' }],
  ['--config=-F', { kind: 'serve', file: '-F' }],
  ['serve --config F', { kind: 'serve', file: 'F' }],
  ['--config F serve', { kind: 'serve', file: 'F' }],
  ['check --config F', { kind: 'check', file: 'F', connect: false }],
  ['check --connect --config F', { kind: 'check', file: 'F', connect: true }],
  ['reload --config F', { kind: 'reload', file: 'F', pidFile: null }],
  ['reload --pid-file P', { kind: 'reload', file: null, pidFile: 'P' }],
  ['reload -c F --pid-file=P', { kind: 'reload', file: 'F', pidFile: 'P' }],
  ['upgrade --config F', { kind: 'upgrade', file: 'F', pidFile: null }],
  ['status -c F', { kind: 'status', file: 'F', json: false, watch: false }],
  ['status --json --config F', { kind: 'status', file: 'F', json: true, watch: false }],
  ['--watch status --config=F', { kind: 'status', file: 'F', json: false, watch: true }],
  ['--help', { kind: 'help' }],
  ['check -h', { kind: 'help' }],
  ['help', { kind: 'help' }],
  ['--version', { kind: 'version' }],
  ['-V', { kind: 'version' }],
  ['version', { kind: 'version' }],
];

test.each(cases)('gfserve %s', (line, command) => {
  expect(readArgs(line.split(' '))).toEqual({ ok: true, command });
});

test.each([
  ['', 'serve needs --config FILE'],
  ['check', 'check needs --config FILE'],
  ['reload', 'reload needs --config FILE or --pid-file FILE'],
  ['reload --config F --pid-file', '--pid-file needs the name of a file'],
  ['upgrade', 'upgrade needs --config FILE or --pid-file FILE'],
  ['--config F --pid-file P', '--pid-file goes with reload and upgrade only'],
  ['reload --config F --connect', '--connect goes with check only'],
  ['status', 'status needs --config FILE'],
  ['--config F --json', '--json goes with status only'],
  ['reload --config F --watch', '--watch goes with status only'],
  ['status --config F --connect', '--connect goes with check only'],
  ['chekc --config F', 'there is no command "chekc"; did you mean "check"?'],
  ['F.ini', 'there is no command "F.ini"'],
  ['--confg F', 'there is no option --confg; did you mean "--config"?'],
  ['check --config F --conect', 'there is no option --conect; did you mean "--connect"?'],
  ['-x', 'there is no option -x'],
  ['--__proto__=1', 'there is no option --__proto__'],
  ['--config', '--config needs the name of a file'],
  ['--config=', '--config needs the name of a file'],
  ['check --config --connect', '--config needs the name of a file'],
  ['--config F --config G', '--config is given twice'],
  ['--config F --connect', '--connect goes with check only'],
  ['check --config F --connect=yes', '--connect takes no value'],
  ['check F', '"F" is one word too many; a file goes behind --config'],
])('gfserve %s is wrong', (line, message) => {
  const args = line === '' ? [] : line.split(' ');
  expect(readArgs(args)).toEqual({ ok: false, message });
});

test('the usage fits a terminal', () => {
  for (const line of USAGE.split('\n')) expect(line.length).toBeLessThanOrEqual(120);
});

test.each([
  ['18.20.0', false],
  ['20.0.0', true],
  ['22.11.0', true],
  ['23.0.0', false],
])('Node %s will do: %s', (version, fits) => {
  expect(nodeProblem(version) === null).toBe(fits);
});

test.each([
  [
    'node:internal\n  throw err;\n\nError: libgfapi.so.0: cannot open shared object file: No such file or directory\n    at x',
    null,
    /apt-get install libgfapi0/,
  ],
  ["Error: Cannot find module '/x/build/Release/gfserve.node'\n", null, /libglusterfs-dev.*npm ci/],
  ['Error: This version of uWS.js (uws_linux_x64_131.node) supports', null, /Node 20 or 22.*glibc/],
  ['', 'SIGSEGV', /ended with SIGSEGV/],
  ['Error: something new', null, /\(Error: something new\)$/],
])('natives that do not load: %j %s', (stderr, signal, words) => {
  const message = explainLoad(stderr, signal);
  expect(message).toMatch(words);
  expect(message).not.toContain('\n');
});
