/**
 * Set-up, step 5. The kernel that notebooks name: `many-hands`, TypeScript by tslab, with absolute
 * paths, in this clone's environment only.
 */
import {mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {writeWhole} from './stamps.mjs';

/** @typedef {import('./steps.mjs').Context} Context */

/** A notebook's metadata.kernelspec.name. */
export const KERNEL = 'many-hands';
const KERNEL_DISPLAY = 'TypeScript (Many Hands)';

/** @param {Context['at']} at */
const folderOf = (at) => join(at.kernels, KERNEL);

/** @param {Context['at']} at */
function content(at) {
  const spec = {
    // Node.js by its own path: a kernel must start where the learner's PATH has none, or another
    // one.
    argv: [
      process.execPath,
      join(at.modules, 'tslab', 'bin', 'tslab'),
      'kernel',
      '--config-path',
      '{connection_file}',
    ],
    display_name: KERNEL_DISPLAY,
    language: 'typescript',
    metadata: {debugger: false},
  };
  return `${JSON.stringify(spec, null, 2)}\n`;
}

/** @type {import('./steps.mjs').Step} */
export const kernelspec = {
  name: 'kernel',
  download: () => 0,
  disk: () => 0,
  done({at}) {
    try {
      return readFileSync(join(folderOf(at), 'kernel.json'), 'utf8') === content(at);
    } catch {
      return false;
    }
  },
  async make({at}) {
    mkdirSync(folderOf(at), {recursive: true});
    writeWhole(join(folderOf(at), 'kernel.json'), content(at));
  },
};
