/** Set-up outside a clone. A Python environment that does nothing but fetch and unpack TensorFlow's wheel. */
import {existsSync, mkdirSync, renameSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {runTool} from './child.mjs';
import {findPython} from './findPython.mjs';
import {pythonEnvironment} from './paths.mjs';
import {moveEnvironment} from './relocate.mjs';

/** @type {import('./steps.mjs').Step} */
export const pip = {
  name: 'Python environment',
  download: () => 0,
  disk: () => 15e6,
  done: ({at}) => existsSync(at.python),
  before: () => findPython(),
  async make({at, work}, tell) {
    const found = await findPython();
    tell(`Python ${found.version}`);
    const fresh = join(work, 'venv');
    await runTool(found.path, ['-m', 'venv', fresh], {cwd: at.root, env: {...pythonEnvironment(), TMPDIR: work}, what: 'The Python environment', folder: at.root});
    moveEnvironment(fresh, fresh, at.venv);
    mkdirSync(dirname(at.venv), {recursive: true});
    renameSync(fresh, at.venv);
  },
};
