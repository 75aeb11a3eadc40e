/**
 * What the doctor looks at on every machine, one function a thing: Node.js, the engine,
 * CUDA, the devices, cores and shared memory.
 */
import {existsSync, statfsSync} from 'node:fs';
import {join} from 'node:path';
import {engine as engineStep} from '../setup/engine.mjs';
import {seesNvidia} from '../setup/platform.mjs';
import {fixText} from '../setup/problem.mjs';
import {readStamp} from '../setup/stamps.mjs';
import {ask} from './ask.mjs';
import {SETUP, contextOf, fail, ok, warn} from './check.mjs';

/** @typedef {import('./check.mjs').Check} Check */
/** @typedef {import('../setup/paths.mjs').Paths} Paths */
/**
 * @typedef {{id: string, kind: string, name: string, memoryBytes: number, threads: number}} Device
 */

/**
 * Bytes as this report writes them.
 * @param {number} bytes
 */
const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(1)} GB`;

/** Node.js runs this, so bootstrap has found it good. */
export function node() {
  return ok('Node.js', process.versions.node);
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
