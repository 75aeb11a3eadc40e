/**
 * What the doctor looks at, one function a thing: ok, warn or fail, a sentence, and
 * the command that mends it.
 */
import {existsSync, statfsSync} from 'node:fs';
import {join} from 'node:path';
import {command} from '../setup/command.mjs';
import {compile} from '../setup/compile.mjs';
import {engine as engineStep} from '../setup/engine.mjs';
import {findPython} from '../setup/findPython.mjs';
import {KERNEL, kernelspec} from '../setup/kernelspec.mjs';
import {npm, packages} from '../setup/packages.mjs';
import {pythonEnvironment} from '../setup/paths.mjs';
import {seesNvidia} from '../setup/platform.mjs';
import {SetupProblem, fixText} from '../setup/problem.mjs';
import {python as pythonStep} from '../setup/python.mjs';
import {readStamp} from '../setup/stamps.mjs';
import {ask} from './ask.mjs';

/**
 * @typedef {{name: string, status: 'ok' | 'warn' | 'fail', message: string, fix: string | null}}
 * Check
 */
/**
 * @typedef {{id: string, kind: string, name: string, memoryBytes: number, threads: number}} Device
 */
/** @typedef {import('../setup/paths.mjs').Paths} Paths */

const SETUP = command('setup');

/**
 * @param {string} name
 * @param {string} message
 * @returns {Check}
 */
const ok = (name, message) => ({name, status: 'ok', message, fix: null});
/**
 * @param {string} name
 * @param {string} message
 * @param {string | null} fix
 * @returns {Check}
 */
const warn = (name, message, fix) => ({name, status: 'warn', message, fix});
/**
 * @param {string} name
 * @param {string} message
 * @param {string} fix
 * @returns {Check}
 */
const fail = (name, message, fix) => ({name, status: 'fail', message, fix});

/**
 * Bytes as this report writes them.
 * @param {number} bytes
 */
const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(1)} GB`;

/**
 * @param {Paths} at
 * @returns {import('../setup/steps.mjs').Context}
 */
const contextOf = (at) => ({at, verb: 'doctor', wantsEngine: true, from: null, work: ''});

/** Node.js runs this, so bootstrap has found it good. */
export function node() {
  return ok('Node.js', process.versions.node);
}

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

/**
 * What the compiled library says of its engine and devices.
 * @param {Paths} at
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<{seen: {devices: Device[], engine: {name: string, libtensorflow: string | null,
 * gpu: boolean, reason: string | null, fix: string | null}, cores: number} | null, failure:
 * string}>}
 */
export async function look(at, env = process.env) {
  const {output, failure} = await ask(
    process.execPath,
    [join(at.root, 'scripts', 'doctor', 'look.mjs')],
    {cwd: at.root, env},
  );
  const line = output?.split('\n').find((one) => one.startsWith('@@'));
  return line
    ? {seen: JSON.parse(line.slice(2)), failure: ''}
    : {seen: null, failure: failure || 'it said nothing'};
}

/**
 * The engine, and the version of the CUDA libraries that came with it.
 * @param {Paths} at
 * @param {Awaited<ReturnType<typeof look>>} looked
 */
export function engine(at, {seen, failure}) {
  if (!seen)
    return {
      check: fail('engine', `the library does not load: ${failure}.`, SETUP),
      engine: {name: 'none', libtensorflow: null, cuda: null, addon: null},
    };
  const {name, libtensorflow, reason, fix} = seen.engine;
  const noted = readStamp(at.engineJson);
  const addon = name === 'tensorflow' ? at.placedAddon : null;
  const cuda = name === 'tensorflow' && noted?.cuda ? (noted.cudaVersion ?? null) : null;
  /** @type {Check} */
  let check;
  if (name === 'tensorflow') {
    check = engineStep.done(contextOf(at))
      ? ok('engine', `TensorFlow, libtensorflow ${libtensorflow}`)
      : warn(
          'engine',
          `TensorFlow, libtensorflow ${libtensorflow}, but not the one that set-up makes for this machine.`,
          SETUP,
        );
  } else {
    check = warn(
      'engine',
      `JavaScript, for small sizes only: ${reason}`,
      noted?.name === 'javascript' ? noted.fix : fix,
    );
  }
  return {check, engine: {name, libtensorflow, cuda, addon}};
}

/**
 * @param {Paths} at
 * @param {{name: string, cuda: string | null}} made
 * @returns {Promise<Check>}
 */
export async function cuda(at, {name, cuda: version}) {
  if (!seesNvidia()) return ok('CUDA', 'no NVIDIA GPU is seen, so it is not needed');
  if (name !== 'tensorflow' || version === null)
    return warn('CUDA', 'an NVIDIA GPU is seen, and the engine is not the one with CUDA.', SETUP);
  const {seen, failure} = await look(at, {...process.env, MANY_HANDS_WORKER: '1'});
  if (seen?.engine.gpu) return ok('CUDA', version);
  const driver = (
    await ask('nvidia-smi', ['--query-gpu=driver_version', '--format=csv,noheader'])
  ).output?.split('\n')[0];
  return fail(
    'CUDA',
    `the engine has CUDA ${version}, and finds no GPU it can use (driver ${driver ?? 'unknown'}; CUDA 12 wants 525 or later)${failure ? `: ${failure}` : '.'}`,
    fixText({
      debian: 'sudo ubuntu-drivers install || sudo apt-get install -y nvidia-driver',
      fedora: 'sudo dnf install -y akmod-nvidia',
      macos: SETUP,
    }),
  );
}

/** @param {Device[]} devices */
export function deviceChecks(devices) {
  return devices.map(({id, name, memoryBytes, threads}) =>
    ok(
      `device ${id}`,
      `${name}, ${gigabytes(memoryBytes)}${threads ? `, ${threads} thread${threads === 1 ? '' : 's'}` : ''}`,
    ),
  );
}

/** @param {number} cores */
export function coresCheck(cores) {
  if (cores >= 2) return ok('cores', `${cores} physical cores within the control group's limit`);
  return warn(
    'cores',
    "one physical core within the control group's limit: several workers will take turns on it, and nothing gets faster.",
    'nproc',
  );
}

/** @returns {Check} */
export function sharedMemoryCheck() {
  if (process.platform !== 'linux')
    return ok('/dev/shm', 'this system has none, and none is needed');
  try {
    const {bsize, blocks, bavail} = statfsSync('/dev/shm');
    const message = `${gigabytes(bsize * blocks)}, ${gigabytes(bsize * bavail)} free`;
    if (bsize * blocks >= 256e6) return ok('/dev/shm', message);
    return warn(
      '/dev/shm',
      `${message}: little. Workers share memory without it, but Chromium and Open MPI use it.`,
      existsSync('/.dockerenv')
        ? 'docker run --shm-size=2g ...'
        : 'sudo mount -o remount,size=2G /dev/shm',
    );
  } catch {
    return warn(
      '/dev/shm',
      'it is not there. Workers share memory without it, but Chromium and Open MPI use it.',
      'sudo mount -t tmpfs -o size=2G tmpfs /dev/shm',
    );
  }
}
