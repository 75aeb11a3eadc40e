/** Set-up. The wheels that an engine is made of, and the Python whose pip fetches them. */
import {mkdirSync, readdirSync, rmSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {runTool} from './child.mjs';
import {findPython} from './findPython.mjs';
import {pythonEnvironment, pythonIn} from './paths.mjs';
import {TENSORFLOW, WHEEL_PYTHON} from './platform.mjs';
import {pins} from './python.mjs';

/** @typedef {import('./steps.mjs').Context} Context */

/**
 * The Python that fetches and unpacks wheels: the clone's own. A package has none, so one is made
 * in the work folder, for this set-up alone: the pip of the user's Python may be missing, and must
 * not be touched.
 * @param {Context} context
 */
export async function wheelPython({at, work}) {
  if (!at.isPackage) return at.python;
  const found = await findPython();
  const venv = join(work, 'venv');
  await runTool(found.path, ['-m', 'venv', venv], {
    cwd: at.root,
    env: {...pythonEnvironment(), TMPDIR: work},
    what: 'The Python that fetches TensorFlow',
    folder: at.root,
  });
  return pythonIn(venv);
}

/**
 * @param {string} folder
 * @returns {number} bytes of all files below
 */
function bytesBelow(folder) {
  let sum = 0;
  for (const entry of readdirSync(folder, {withFileTypes: true, recursive: true})) {
    if (entry.isFile())
      sum +=
        statSync(join(entry.parentPath ?? entry.path, entry.name), {throwIfNoEntry: false})?.size ??
        0;
  }
  return sum;
}

/**
 * Downloads wheels, without what they depend on.
 * @param {Context} context
 * @param {string} python
 * @param {string[]} names such as 'tensorflow-cpu==2.21.0'
 * @param {string} folder
 * @param {(bytes: number) => void} [count]
 */
export async function downloadWheels({at, work, from}, python, names, folder, count) {
  mkdirSync(folder, {recursive: true});
  const scratch = join(work, 'pip');
  mkdirSync(scratch, {recursive: true});
  await runTool(
    python,
    [
      '-m',
      'pip',
      'download',
      '--no-deps',
      '--only-binary=:all:',
      '--python-version',
      WHEEL_PYTHON,
      '--no-cache-dir',
      '--no-input',
      '--progress-bar',
      'off',
      '--retries',
      '3',
      ...(from ? from.pipOptions() : []),
      '-d',
      folder,
      ...names,
    ],
    {
      cwd: at.root,
      env: {...pythonEnvironment(), TMPDIR: scratch},
      what: 'The TensorFlow engine',
      folder: at.root,
      tick: () => count?.(Math.max(bytesBelow(scratch), bytesBelow(folder))),
    },
  );
  rmSync(scratch, {recursive: true, force: true});
  return readdirSync(folder)
    .filter((file) => file.endsWith('.whl'))
    .map((file) => join(folder, file));
}

/**
 * The wheels that an engine is made of.
 * @param {Context['at']} at
 * @param {import('./platform.mjs').EngineKind} kind
 */
export function engineWheels(at, kind) {
  return [`${kind.wheel}==${TENSORFLOW}`, ...(kind.cuda ? pins(at.cudaRequirements) : [])];
}
