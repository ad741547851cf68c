/** The terms of the Node that the package brings: they have to come with it. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where publishers put it: beside the binary's folder, or in the system's documentation. */
const PLACES = [
  'LICENSE',
  'share/doc/nodejs/LICENSE',
  'share/doc/node/LICENSE',
  'share/doc/nodejs/copyright',
];

/** Throws where there is none to be found, and where this Node is not one file. */
export function nodeLicence(): string {
  const { variables } = process.config as { variables: Readonly<Record<string, unknown>> };
  if (variables.node_shared === true || variables.node_shared === 'true') {
    throw new Error(
      'this Node needs libnode.so: build the package with one of nodejs.org, NodeSource or the like',
    );
  }
  const prefix = dirname(dirname(process.execPath));
  const found = PLACES.map((place) => join(prefix, place)).find((path) => existsSync(path));
  if (found === undefined) {
    throw new Error(
      `the licence of ${process.execPath} is not below ${prefix}: ${PLACES.join(', ')}`,
    );
  }
  return readFileSync(found, 'utf8');
}
