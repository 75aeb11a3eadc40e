/**
 * Set-up, step 3. A Python environment of the course's own in .venv: JupyterLab, nbclient and
 * Plotly's renderer, each at one version.
 */
import {existsSync, readFileSync, renameSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {runTool} from './child.mjs';
import {findPython} from './findPython.mjs';
import {pythonEnvironment, pythonIn} from './paths.mjs';
import {moveEnvironment} from './relocate.mjs';
import {hashOf, readStamp, writeStamp, writeWhole} from './stamps.mjs';

/** @typedef {import('./steps.mjs').Context} Context */

/**
 * JupyterLab's settings where they differ from its own: no question about news, no look for newer
 * versions over the network.
 */
const SETTINGS = {
  '@jupyterlab/apputils-extension:notification': {
    fetchNews: 'false',
    checkForUpdates: false,
    doNotDisturbMode: false,
  },
};

/** @param {string} venv */
const stampOf = (venv) => join(venv, 'many-hands.json');

/** @param {Context['at']} at */
const inputs = (at) => hashOf(pins(at.requirements), SETTINGS, process.platform, process.arch);

/**
 * The names with versions that requirements.txt pins.
 * @param {string} file
 */
export function pins(file) {
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line && !line.startsWith('#'));
}

/** @param {Context['at']} at */
function whole(at) {
  return readStamp(stampOf(at.venv))?.inputs === inputs(at) && existsSync(at.python);
}

/** @type {import('./steps.mjs').Step} */
export const python = {
  name: 'Python with JupyterLab',
  download: () => 60e6,
  disk: () => 330e6,
  done: ({at}) => whole(at) && readStamp(stampOf(at.venv))?.root === at.root,
  before: () => findPython(),
  mend({at}) {
    const stamp = readStamp(stampOf(at.venv));
    if (!stamp || stamp.root === at.root || !whole(at)) return;
    // The clone was moved or copied: its scripts name the place where it was.
    moveEnvironment(at.venv, join(stamp.root, '.venv'), at.venv);
    writeStamp(stampOf(at.venv), {...stamp, root: at.root});
  },
  async make({at, work, from}, tell) {
    const found = await findPython();
    const fresh = join(work, 'venv');
    const env = {...pythonEnvironment(), TMPDIR: work};
    tell(`an environment of Python ${found.version}`);
    await runTool(found.path, ['-m', 'venv', fresh], {
      cwd: at.root,
      env,
      what: 'The Python environment',
      folder: at.root,
    });
    let collected = 0;
    await runTool(
      pythonIn(fresh),
      [
        '-m',
        'pip',
        'install',
        '--no-deps',
        '--only-binary=:all:',
        '--progress-bar',
        'off',
        '--no-input',
        '--retries',
        '3',
        ...(from ? from.pipOptions() : []),
        '-r',
        at.requirements,
      ],
      {
        cwd: at.root,
        env,
        what: 'JupyterLab',
        folder: at.root,
        onLine(line) {
          if (line.startsWith('Collecting ')) tell(`${++collected} packages`);
          if (line.startsWith('Installing ')) tell('unpacking');
        },
      },
    );
    writeWhole(
      join(fresh, 'share', 'jupyter', 'lab', 'settings', 'overrides.json'),
      `${JSON.stringify(SETTINGS, null, 2)}\n`,
    );
    moveEnvironment(fresh, fresh, at.venv);
    writeStamp(stampOf(fresh), {
      inputs: inputs(at),
      root: at.root,
      python: found.version,
      base: found.path,
    });
    const old = join(work, 'old-venv');
    if (existsSync(at.venv)) renameSync(at.venv, old);
    renameSync(fresh, at.venv);
    rmSync(old, {recursive: true, force: true});
  },
};
