/**
 * What the doctor looks at in a clone, one function a thing: npm and its packages, the
 * compiled library, Python with JupyterLab, the kernel.
 */
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {compile} from '../setup/compile.mjs';
import {findPython} from '../setup/findPython.mjs';
import {KERNEL, kernelspec} from '../setup/kernelspec.mjs';
import {npm, packages} from '../setup/packages.mjs';
import {pythonEnvironment} from '../setup/paths.mjs';
import {SetupProblem, fixText} from '../setup/problem.mjs';
import {python as pythonStep} from '../setup/python.mjs';
import {readStamp} from '../setup/stamps.mjs';
import {ask} from './ask.mjs';
import {SETUP, contextOf, fail, ok, warn} from './check.mjs';

/** @typedef {import('./check.mjs').Check} Check */
/** @typedef {import('../setup/paths.mjs').Paths} Paths */

/** npm, as it would be started for set-up. */
export async function npmCheck() {
  const {command, args} = npm();
  const {output, failure} = await ask(command, [...args, '--version']);
  return output === null
    ? fail('npm', `npm does not start: ${failure}.`, 'sudo npm install -g npm')
    : ok('npm', output.split('\n').at(-1) ?? '');
}

/** @param {Paths} at */
export function packagesCheck(at) {
  return packages.done(contextOf(at))
    ? ok('npm packages', 'as package-lock.json names them')
    : fail('npm packages', 'they are missing, or not those that package-lock.json names.', SETUP);
}

/** @param {Paths} at */
export function compiledCheck(at) {
  if (compile.done(contextOf(at))) return ok('compiled library', 'as its sources are');
  return existsSync(join(at.build, 'lib', 'index.js'))
    ? warn(
        'compiled library',
        'its sources have changed since it was compiled; the next npm start compiles it.',
        SETUP,
      )
    : fail('compiled library', 'it is not there.', SETUP);
}

/**
 * The course's own Python; where there is none, whether this machine has one to make it with.
 * @param {Paths} at
 * @returns {Promise<{check: Check, python: string | null, jupyterlab: string | null, nbclient:
 * string | null}>}
 */
export async function python(at) {
  const program =
    'import json, sys, jupyterlab, nbclient; print(json.dumps(["%d.%d.%d" % sys.version_info[:3], jupyterlab.__version__, nbclient.__version__]))';
  const {output, failure} = existsSync(at.python)
    ? await ask(at.python, ['-c', program], {env: pythonEnvironment()})
    : {output: null, failure: 'it is not there'};
  if (output !== null) {
    const [version, jupyterlab, nbclient] = JSON.parse(output);
    const check = pythonStep.done(contextOf(at))
      ? ok('Python', `${version} in .venv`)
      : warn(
          'Python',
          `${version} in .venv, which another version of this course made, or in another place.`,
          SETUP,
        );
    return {check, python: version, jupyterlab, nbclient};
  }
  try {
    const found = await findPython();
    return {
      check: fail(
        'Python',
        `the environment .venv does not work (${failure}); ${found.path} (${found.version}) can make it.`,
        SETUP,
      ),
      python: null,
      jupyterlab: null,
      nbclient: null,
    };
  } catch (error) {
    if (!(error instanceof SetupProblem)) throw error;
    return {
      check: fail('Python', error.message, fixText(error.fix)),
      python: null,
      jupyterlab: null,
      nbclient: null,
    };
  }
}

/**
 * @param {string | null} jupyterlab
 * @param {string | null} nbclient
 */
export function jupyterCheck(jupyterlab, nbclient) {
  return jupyterlab === null
    ? fail('JupyterLab', 'it is not there.', SETUP)
    : ok('JupyterLab', `${jupyterlab}, with nbclient ${nbclient}`);
}

/**
 * The kernel that notebooks name: its file, and that tslab starts.
 * @param {Paths} at
 * @returns {Promise<{check: Check, kernel: string | null}>}
 */
export async function kernel(at) {
  if (!kernelspec.done(contextOf(at)))
    return {
      check: fail(
        'kernel',
        `the kernel ${KERNEL} is not there, or names another Node.js or another place.`,
        SETUP,
      ),
      kernel: null,
    };
  const {output, failure} = await ask(
    process.execPath,
    [join(at.modules, 'tslab', 'bin', 'tslab'), '--version'],
    {cwd: at.root},
  );
  if (output === null)
    return {check: fail('kernel', `tslab does not start: ${failure}.`, SETUP), kernel: null};
  return {check: ok('kernel', `${KERNEL} (${output})`), kernel: output};
}

/** @param {Paths} at */
export function rendererCheck(at) {
  const extension = readStamp(
    join(at.venv, 'share', 'jupyter', 'labextensions', 'jupyterlab-plotly', 'package.json'),
  );
  return extension
    ? ok('plot renderer', `jupyterlab-plotly ${extension.version}`)
    : fail(
        'plot renderer',
        "JupyterLab cannot draw Plotly's figures: the extension jupyterlab-plotly is not in .venv.",
        SETUP,
      );
}
