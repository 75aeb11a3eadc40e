/**
 * Set-up, step 4. The engine: tfjs-node's addon, compiled against the libtensorflow of a TensorFlow
 * wheel; else JavaScript, and why.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import {dirname, join} from 'node:path';
import {HEADERS, compileAddon, tryAddon} from './addon.mjs';
import {runTool} from './child.mjs';
import {command} from './command.mjs';
import {packageJson, pythonEnvironment} from './paths.mjs';
import {TENSORFLOW, compiler, engineKind} from './platform.mjs';
import {SetupProblem, fixText} from './problem.mjs';
import {compilerMissing} from './problems.mjs';
import {pins} from './python.mjs';
import {hashOf, readStamp, writeStamp} from './stamps.mjs';
import {linkEngine, stampOf} from './takeEngine.mjs';
import {downloadWheels, engineWheels, wheelPython} from './wheels.mjs';

/** @typedef {import('./steps.mjs').Context} Context */
/** @typedef {import('./platform.mjs').EngineKind} EngineKind */

/**
 * @param {Context['at']} at
 * @param {boolean} cuda
 */
function inputs(at, cuda) {
  // What was pinned, not what lies there: an engine is judged before a clone's packages are.
  const {dependencies} = packageJson(at.root);
  const versions = ['@tensorflow/tfjs-node-gpu', 'node-api-headers'].map(
    (name) => dependencies[name],
  );
  return hashOf(
    TENSORFLOW,
    HEADERS,
    versions,
    process.platform,
    process.arch,
    cuda,
    cuda ? readFileSync(at.cudaRequirements, 'utf8') : '',
  );
}

/**
 * Whether an engine with this stamp was made of what this package wants; one with CUDA serves a
 * machine without a GPU too.
 * @param {Context['at']} at
 * @param {Record<string, unknown> | null} stamp
 * @param {boolean} [cuda]
 */
export function fits(at, stamp, cuda = false) {
  return stamp !== null && (stamp.inputs === inputs(at, cuda) || stamp.inputs === inputs(at, true));
}

/**
 * Whether the engine that lies here is the one that this machine wants.
 * @param {Context['at']} at
 */
function built(at) {
  const kind = engineKind();
  if (typeof kind === 'string') return false;
  const stamp = readStamp(stampOf(at.engine));
  return (
    fits(at, stamp, kind.cuda) &&
    existsSync(at.addon) &&
    kind.libraries.every((library) => existsSync(join(at.engine, library)))
  );
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
  return hashOf(
    TENSORFLOW,
    typeof kind === 'string' ? kind : kind.wheel,
    compiler(),
    process.env.MANY_HANDS_ENGINE === 'javascript',
  );
}

/**
 * Notes that the JavaScript engine runs here, why, and the one command that mends it.
 * @param {Context['at']} at
 * @param {string} reason
 * @param {string | null} fix
 */
function javascript(at, reason, fix) {
  writeStamp(at.engineJson, {
    name: 'javascript',
    libtensorflow: null,
    cuda: false,
    addon: null,
    reason,
    fix,
    chances: chances(),
  });
  return `JavaScript's own engine will run the small sizes. ${reason}${fix ? `\n  To get the TensorFlow engine:  ${fix}` : ''}`;
}

/**
 * Fills a fresh folder with the libraries and headers out of the wheels.
 * @param {Context} context
 * @param {EngineKind} kind
 * @param {string} fresh
 * @param {(text: string) => void} tell
 */
async function unpackWheels(context, kind, fresh, tell) {
  const {at, work} = context;
  const python = await wheelPython(context);
  const all = Math.round(kind.download / 1e6);
  let before = 0;
  // One wheel at a time: what lies on the disk for a while is one wheel, not a room full of CUDA's.
  for (const name of engineWheels(at, kind)) {
    const folder = join(work, 'wheels');
    const [wheel] = await downloadWheels(context, python, [name], folder, (bytes) =>
      tell(`${Math.min(all, Math.round((before + bytes) / 1e6))} of ${all} MB`),
    );
    before += statSync(wheel).size;
    const wanted = name.startsWith('tensorflow') ? [...kind.libraries, ...HEADERS] : ['nvidia/'];
    await runTool(python, [at.unpack, fresh, wheel, ...wanted], {
      cwd: at.root,
      env: pythonEnvironment(),
      what: 'The TensorFlow engine',
      folder: at.root,
    });
    rmSync(folder, {recursive: true, force: true});
  }
}

/**
 * @param {Context} context
 * @param {EngineKind} kind
 * @param {string} cxx
 * @param {(text: string) => void} tell
 */
async function build(context, kind, cxx, tell) {
  const {at, work, from} = context;
  const fresh = join(work, 'engine');
  mkdirSync(fresh, {recursive: true});
  if (from?.engine) linkEngine(from.engine, fresh);
  else await unpackWheels(context, kind, fresh, tell);
  const made = from?.engine ? readStamp(stampOf(from.engine)) : null;
  const cuda = made?.cuda ?? kind.cuda;
  tell('compiling the addon');
  const out = join(fresh, 'tfjs_binding.node');
  await compileAddon(at, {cxx, engine: fresh, libraries: kind.libraries, out});
  const version = await tryAddon(out, at.root);
  writeStamp(stampOf(fresh), {inputs: inputs(at, cuda), libtensorflow: version, cuda});
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
  const cudaVersion = cuda
    ? pins(at.cudaRequirements)
        .find((pin) => pin.startsWith('nvidia-cuda-runtime'))
        ?.split('==')[1]
    : null;
  writeStamp(at.engineJson, {
    name: 'tensorflow',
    libtensorflow,
    cuda,
    cudaVersion,
    addon: at.placedAddon,
    reason: null,
    fix: null,
  });
}

/**
 * Problems whose own fix is the way to the TensorFlow engine; after the others, trying again is.
 */
const MENDED_BY_HAND = new Set([
  'compiler-missing',
  'certificate',
  'python-missing',
  'python-old',
  'python-new',
  'venv-missing',
]);

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
      return javascript(
        at,
        'MANY_HANDS_ENGINE=javascript asked set-up for it.',
        `unset MANY_HANDS_ENGINE && ${command('setup')}`,
      );
    }
    const kind = engineKind();
    if (typeof kind === 'string')
      return javascript(at, kind, process.platform === 'win32' ? 'wsl --install' : null);
    const cxx = compiler();
    try {
      if (!cxx) throw compilerMissing();
      await build(context, kind, cxx, tell);
      return undefined;
    } catch (error) {
      if (!(error instanceof SetupProblem) || error.id === 'disk-full' || error.id === 'read-only')
        throw error;
      // Whatever keeps the TensorFlow engine away, the course still runs, at small sizes.
      return javascript(
        at,
        error.message,
        MENDED_BY_HAND.has(error.id) ? fixText(error.fix) : command('setup'),
      );
    }
  },
};

function sizes() {
  const kind = engineKind();
  return typeof kind === 'string' || !compiler() ? {download: 0, disk: 0, largest: 0} : kind;
}
