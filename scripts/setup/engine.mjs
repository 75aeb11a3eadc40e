/** Set-up, step 4. The engine: tfjs-node's addon, compiled against the libtensorflow of a TensorFlow wheel; else JavaScript, and why. */
import {copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {HEADERS, compileAddon, tryAddon} from './addon.mjs';
import {runTool} from './child.mjs';
import {pythonEnvironment} from './paths.mjs';
import {TENSORFLOW, WHEEL_PYTHON, compiler, engineKind} from './platform.mjs';
import {SetupProblem, fixText} from './problem.mjs';
import {compilerMissing} from './problems.mjs';
import {pins} from './python.mjs';
import {hashOf, readStamp, writeStamp} from './stamps.mjs';

/** @typedef {import('./steps.mjs').Context} Context */
/** @typedef {import('./platform.mjs').EngineKind} EngineKind */

/** @param {string} engine */
const stampOf = (engine) => join(engine, 'many-hands.json');

/**
 * @param {Context['at']} at
 * @param {boolean} cuda
 */
function inputs(at, cuda) {
  const lock = readStamp(join(at.root, 'package-lock.json'))?.packages ?? {};
  const versions = ['@tensorflow/tfjs-node-gpu', 'node-api-headers'].map((name) => lock[`node_modules/${name}`]?.version);
  return hashOf(TENSORFLOW, versions, process.platform, process.arch, cuda, cuda ? readFileSync(at.cudaRequirements, 'utf8') : '');
}

/**
 * Whether the engine that lies here is the one that this machine wants; one with CUDA serves a machine without a GPU too.
 * @param {Context['at']} at
 */
function built(at) {
  const kind = engineKind();
  if (typeof kind === 'string') return false;
  const stamp = readStamp(stampOf(at.engine));
  const fits = stamp !== null && (stamp.inputs === inputs(at, kind.cuda) || stamp.inputs === inputs(at, true));
  return fits && existsSync(at.addon) && kind.libraries.every((library) => existsSync(join(at.engine, library)));
}

/**
 * Whether tfjs-node finds the addon where it looks; `npm ci` takes it away.
 * @param {Context['at']} at
 */
function placed(at) {
  const there = statSync(at.placedAddon, {throwIfNoEntry: false});
  const kept = statSync(at.addon, {throwIfNoEntry: false});
  return Boolean(there && kept && there.size === kept.size && there.mtimeMs >= kept.mtimeMs);
}

/** @param {Context['at']} at */
function place(at) {
  mkdirSync(dirname(at.placedAddon), {recursive: true});
  const part = `${at.placedAddon}.${process.pid}.part`;
  copyFileSync(at.addon, part);
  renameSync(part, at.placedAddon);
}

/** What decides whether an engine that could not be made may succeed now. */
function chances() {
  const kind = engineKind();
  return hashOf(TENSORFLOW, typeof kind === 'string' ? kind : kind.wheel, compiler(), process.env.MANY_HANDS_ENGINE === 'javascript');
}

/**
 * Notes that the JavaScript engine runs here, why, and the one command that mends it.
 * @param {Context['at']} at
 * @param {string} reason
 * @param {string | null} fix
 */
function javascript(at, reason, fix) {
  writeStamp(at.engineJson, {name: 'javascript', libtensorflow: null, cuda: false, addon: null, reason, fix, chances: chances()});
  return `JavaScript's own engine will run the small sizes. ${reason}${fix ? `\n  To get the TensorFlow engine:  ${fix}` : ''}`;
}

/**
 * @param {string} folder
 * @returns {number} bytes of all files below
 */
function bytesBelow(folder) {
  let sum = 0;
  for (const entry of readdirSync(folder, {withFileTypes: true, recursive: true})) {
    if (entry.isFile()) sum += statSync(join(entry.parentPath ?? entry.path, entry.name), {throwIfNoEntry: false})?.size ?? 0;
  }
  return sum;
}

/**
 * Downloads wheels, without what they depend on.
 * @param {Context} context
 * @param {string[]} names such as 'tensorflow-cpu==2.21.0'
 * @param {string} folder
 * @param {(bytes: number) => void} [count]
 */
export async function downloadWheels({at, work, from}, names, folder, count) {
  mkdirSync(folder, {recursive: true});
  const scratch = join(work, 'pip');
  mkdirSync(scratch, {recursive: true});
  await runTool(at.python, [
    '-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--python-version', WHEEL_PYTHON, '--no-cache-dir', '--no-input',
    '--progress-bar', 'off', '--retries', '3', ...(from ? from.pipOptions() : []), '-d', folder, ...names,
  ], {
    cwd: at.root,
    env: {...pythonEnvironment(), TMPDIR: scratch},
    what: 'The TensorFlow engine',
    folder: at.root,
    tick: () => count?.(Math.max(bytesBelow(scratch), bytesBelow(folder))),
  });
  rmSync(scratch, {recursive: true, force: true});
  return readdirSync(folder).filter((file) => file.endsWith('.whl')).map((file) => join(folder, file));
}

/**
 * The wheels that an engine is made of.
 * @param {Context['at']} at
 * @param {EngineKind} kind
 */
export function engineWheels(at, kind) {
  return [`${kind.wheel}==${TENSORFLOW}`, ...(kind.cuda ? pins(at.cudaRequirements) : [])];
}

/**
 * @param {Context} context
 * @param {EngineKind} kind
 * @param {string} cxx
 * @param {(text: string) => void} tell
 */
async function build(context, kind, cxx, tell) {
  const {at, work} = context;
  const fresh = join(work, 'engine');
  mkdirSync(fresh, {recursive: true});
  const all = Math.round(kind.download / 1e6);
  let before = 0;
  // One wheel at a time: what lies on the disk for a while is one wheel, not a room full of CUDA's.
  for (const name of engineWheels(at, kind)) {
    const folder = join(work, 'wheels');
    const [wheel] = await downloadWheels(context, [name], folder, (bytes) => tell(`${Math.min(all, Math.round((before + bytes) / 1e6))} of ${all} MB`));
    before += statSync(wheel).size;
    const wanted = name.startsWith('tensorflow') ? [...kind.libraries, ...HEADERS] : ['nvidia/'];
    await runTool(at.python, [at.unpack, fresh, wheel, ...wanted], {cwd: at.root, env: pythonEnvironment(), what: 'The TensorFlow engine', folder: at.root});
    rmSync(folder, {recursive: true, force: true});
  }
  tell('compiling the addon');
  const out = join(fresh, 'tfjs_binding.node');
  await compileAddon(at, {cxx, engine: fresh, libraries: kind.libraries, out});
  rmSync(join(fresh, 'tensorflow', 'include'), {recursive: true, force: true});
  const version = await tryAddon(out, at.root);
  writeStamp(stampOf(fresh), {inputs: inputs(at, kind.cuda), libtensorflow: version, cuda: kind.cuda});
  const old = join(work, 'old-engine');
  if (existsSync(at.engine)) renameSync(at.engine, old);
  renameSync(fresh, at.engine);
  rmSync(old, {recursive: true, force: true});
  record(at);
}

/**
 * Puts the built engine in its place and notes it.
 * @param {Context['at']} at
 */
function record(at) {
  place(at);
  const {libtensorflow, cuda} = readStamp(stampOf(at.engine)) ?? {};
  const cudaVersion = cuda ? pins(at.cudaRequirements).find((pin) => pin.startsWith('nvidia-cuda-runtime'))?.split('==')[1] : null;
  writeStamp(at.engineJson, {name: 'tensorflow', libtensorflow, cuda, cudaVersion, addon: at.placedAddon, reason: null, fix: null});
}

/** @type {import('./steps.mjs').Step} */
export const engine = {
  name: 'TensorFlow engine',
  download: ({wantsEngine}) => (wantsEngine ? sizes().download : 0),
  disk: ({wantsEngine}) => (wantsEngine ? sizes().disk : 0),
  /** A wheel lies in pip's folder, in ours, and unpacked, for a while. */
  scratch: ({wantsEngine}) => (wantsEngine ? 2 * sizes().largest : 0),
  done({at, verb}) {
    if (built(at)) return placed(at) && readStamp(at.engineJson)?.name === 'tensorflow';
    const noted = readStamp(at.engineJson);
    return noted?.name === 'javascript' && verb !== 'setup' && noted.chances === chances();
  },
  mend({at}) {
    if (built(at) && existsSync(at.tfjsNode)) record(at);
  },
  async make(context, tell) {
    const {at} = context;
    if (process.env.MANY_HANDS_ENGINE === 'javascript') {
      return javascript(at, 'MANY_HANDS_ENGINE=javascript asked set-up for it.', 'unset MANY_HANDS_ENGINE && npm run setup');
    }
    const kind = engineKind();
    if (typeof kind === 'string') return javascript(at, kind, process.platform === 'win32' ? 'wsl --install' : null);
    const cxx = compiler();
    try {
      if (!cxx) throw compilerMissing();
      await build(context, kind, cxx, tell);
      return undefined;
    } catch (error) {
      if (!(error instanceof SetupProblem) || error.id === 'disk-full' || error.id === 'read-only') throw error;
      // Whatever keeps the TensorFlow engine away, the course still runs, at small sizes.
      return javascript(at, error.message, error.id === 'compiler-missing' || error.id === 'certificate' ? fixText(error.fix) : 'npm run setup');
    }
  },
};

function sizes() {
  const kind = engineKind();
  return typeof kind === 'string' || !compiler() ? {download: 0, disk: 0, largest: 0} : kind;
}
