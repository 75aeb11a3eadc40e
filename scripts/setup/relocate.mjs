/** Set-up. Moves a Python environment: rewrites the place that its scripts were made for. */
import {lstatSync, readFileSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {pythonIn} from './paths.mjs';

/**
 * The first lines of a script that runs under `python`: the kernel takes no spaces and at most 127
 * bytes in a `#!` line, so other places need a shell that starts Python (the same trick as pip's).
 * @param {string} python
 */
function firstLines(python) {
  if (!/\s/.test(python) && Buffer.byteLength(python) < 120) return `#!${python}\n`;
  return `#!/bin/sh\n'''exec' "${python}" "$0" "$@"\n' '''\n`;
}

/**
 * Rewrites the scripts of the environment in `folder`, which were made for `before`, to run from
 * `after`.
 * @param {string} folder
 * @param {string} before
 * @param {string} after
 */
export function moveEnvironment(folder, before, after) {
  if (process.platform === 'win32') return; // Its launchers are programs; we start modules with `python -m` and never need them.
  const bin = join(folder, 'bin');
  for (const name of readdirSync(bin)) {
    const file = join(bin, name);
    if (!lstatSync(file).isFile()) continue;
    const text = readFileSync(file, 'utf8');
    if (text.includes('\uFFFD') || !text.includes(before)) continue;
    const body = text.replace(
      /^(?:#!\/bin\/sh\n'''exec' .*\n' '''\n|#!.*python[\d.]*\n)/,
      firstLines(pythonIn(after)),
    );
    writeFileSync(file, body.replaceAll(before, after));
  }
  const config = join(folder, 'pyvenv.cfg');
  writeFileSync(config, readFileSync(config, 'utf8').replaceAll(before, after));
}
