/**
 * Set-up. Finds a Python that JupyterLab runs on, or says what is wrong with the ones that are
 * there.
 */
import {execFile} from 'node:child_process';
import {command} from './command.mjs';
import {SetupProblem} from './problem.mjs';
import {pythonEnvironment} from './paths.mjs';
import {pythonMissing, pythonTooNew, pythonTooOld, venvMissing} from './problems.mjs';

/** @typedef {{path: string, version: string, venv: boolean}} Python */

const OLDEST = 10;
const NEWEST = 13;

const QUESTION = `
import json, sys
try:
    import venv, ensurepip
    have = True
except ImportError:
    have = False
print(json.dumps({"path": sys.executable, "version": "%d.%d.%d" % sys.version_info[:3], "venv": have}))
`;

/**
 * What a command says of itself as a Python; null where it is none.
 * @param {string} command
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Python | null>}
 */
function ask(command, env) {
  return new Promise((resolve) => {
    execFile(
      command,
      ['-c', QUESTION],
      {env: pythonEnvironment(env), timeout: 20_000, windowsHide: true},
      (error, stdout) => {
        try {
          resolve(error ? null : JSON.parse(stdout));
        } catch {
          resolve(null);
        }
      },
    );
  });
}

/**
 * The minor version of a Python 3; -1 for a Python 2.
 * @param {Python} python
 */
function minor({version}) {
  const [major, second] = version.split('.').map(Number);
  return major < 3 ? -1 : second;
}

/**
 * Whether JupyterLab runs on it and it can make environments.
 * @param {Python} python
 */
const fits = (python) => minor(python) >= OLDEST && minor(python) <= NEWEST;

/**
 * What is wrong where none of the Pythons that are there is good.
 * @param {Python[]} seen
 */
export function pythonProblem(seen) {
  const bare = seen.find(fits);
  if (bare) return venvMissing(bare.version, bare.path);
  if (seen.length === 0) return pythonMissing();
  const [{version, path}] = seen;
  return minor(seen[0]) > NEWEST ? pythonTooNew(version, path) : pythonTooOld(version, path);
}

/**
 * The Python to make the environment with: `MANY_HANDS_PYTHON`, else the first good one of python3,
 * python3.13 ... python3.10.
 * @param {NodeJS.ProcessEnv} [env]
 */
export async function findPython(env = process.env) {
  const asked = env.MANY_HANDS_PYTHON;
  const names = asked
    ? [asked]
    : [
        'python3',
        ...[13, 12, 11, 10].map((n) => `python3.${n}`),
        ...(process.platform === 'win32' ? ['python'] : []),
      ];
  /** @type {Python[]} */
  const seen = [];
  for (const name of names) {
    const python = await ask(name, env);
    if (!python) continue;
    if (fits(python) && python.venv) return python;
    seen.push(python);
  }
  if (asked && seen.length === 0)
    throw new SetupProblem(
      'python-missing',
      `MANY_HANDS_PYTHON is '${asked}', and that is no Python that can be started.`,
      `unset MANY_HANDS_PYTHON && ${command('setup')}`,
    );
  throw pythonProblem(seen);
}
