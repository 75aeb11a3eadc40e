/**
 * The engine that computes: TensorFlow's own kernels if its addon is installed, else the JavaScript
 * kernels of tfjs. Only this folder imports an engine's package; all other code takes `tf` from
 * here, or types from tfjs.
 */
import {readFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import util from 'node:util';
import {ManyHandsError, messageOf, oneOf, shown} from '../base/errors';
import type {TensorFlowBackend} from './backend';
import {registerFastGradients} from './fastGradients';
import {registerFastKernels} from './fastKernels';
import {loadQuietly} from './quietLoad';

/** TensorFlow's own kernels, or the JavaScript kernels of tfjs. */
export type EngineName = 'tensorflow' | 'javascript';
const ENGINES: readonly EngineName[] = ['tensorflow', 'javascript'];

/** The engine of this process. */
export interface EngineInfo {
  name: EngineName;
  /** The version of libtensorflow; null for the JavaScript engine. */
  libtensorflow: string | null;
  /** Whether this process uses a GPU through CUDA. */
  gpu: boolean;
  /** Why the engine is not TensorFlow; null if it is. */
  reason: string | null;
  /** The command that installs TensorFlow's engine; null if there is none. */
  fix: string | null;
}

type Tf = typeof import('@tensorflow/tfjs');

function wanted(): EngineName | null {
  const asked = process.env.MANY_HANDS_ENGINE;
  if (asked === undefined || asked === '' || asked === 'auto') return null;
  if ((ENGINES as readonly string[]).includes(asked)) return asked as EngineName;
  throw new ManyHandsError(
    'ENGINE',
    `MANY_HANDS_ENGINE is ${shown(asked)}; it may be ${oneOf([...ENGINES, 'auto'])}.`,
  );
}

/**
 * tfjs-node 4.22 calls two functions that Node 23 has removed (tensorflow/tfjs#8425, merged but not
 * released). In older versions of Node they print a warning into the cell.
 */
function patchNode(): void {
  Object.assign(util, {
    isNullOrUndefined: (value: unknown) => value === null || value === undefined,
    isArray: Array.isArray,
  });
}

/**
 * Hides the GPUs from the caller's process while its addon starts, because the GPUs are for the
 * workers.
 */
function withoutGpus<T>(load: () => T): T {
  if (process.env.MANY_HANDS_WORKER === '1') return load();
  const visible = process.env.CUDA_VISIBLE_DEVICES;
  process.env.CUDA_VISIBLE_DEVICES = '-1';
  try {
    return load();
  } finally {
    if (visible === undefined) delete process.env.CUDA_VISIBLE_DEVICES;
    else process.env.CUDA_VISIBLE_DEVICES = visible;
  }
}

function loadJavaScript(reason: string, fix: string | null): {tf: Tf; info: EngineInfo} {
  const tf = require('@tensorflow/tfjs') as Tf;
  tf.setBackend('cpu');
  // The backend advises every Node process to install tfjs-node; `reason` and `fix` give better
  // advice.
  (tf.backend() as unknown as {firstUse: boolean}).firstUse = false;
  registerFastGradients(false);
  return {tf, info: {name: 'javascript', libtensorflow: null, gpu: false, reason, fix}};
}

const packageFolder = join(__dirname, '..', '..', '..');

/** The command that installs the engine: npm's in a clone, npx's for an installed package. */
const setUpCommand =
  basename(join(packageFolder, '..')) === 'node_modules' ? 'npx many-hands setup' : 'npm run setup';

interface SetUp {
  reason?: string | null;
  fix?: string | null;
}

/** What set-up wrote about the engine, if it ran here. */
function setUp(): SetUp {
  try {
    return JSON.parse(readFileSync(join(packageFolder, 'build', 'engine.json'), 'utf8')) as SetUp;
  } catch {
    return {};
  }
}

function load(): {tf: Tf; info: EngineInfo} {
  const want = wanted();
  if (want === 'javascript') {
    return loadJavaScript('MANY_HANDS_ENGINE=javascript asks for it', 'unset MANY_HANDS_ENGINE');
  }
  patchNode();
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  try {
    const tf = loadQuietly(() => withoutGpus(() => require('@tensorflow/tfjs-node-gpu') as Tf));
    const backend = tf.backend() as unknown as TensorFlowBackend;
    registerFastKernels();
    registerFastGradients(true);
    const info: EngineInfo = {
      name: 'tensorflow',
      libtensorflow: backend.binding.TF_Version,
      gpu: backend.isUsingGpuDevice,
      reason: null,
      fix: null,
    };
    return {tf, info};
  } catch (error) {
    const result = setUp();
    const sentence = result.reason ?? messageOf(error).split('\n')[0];
    const fix = result.fix ?? setUpCommand;
    if (want === 'tensorflow') {
      throw new ManyHandsError(
        'ENGINE',
        `MANY_HANDS_ENGINE=tensorflow, but TensorFlow's engine does not load: ${sentence} Run: ${fix}`,
        {cause: error},
      );
    }
    return loadJavaScript(`TensorFlow's engine does not load: ${sentence}`, fix);
  }
}

const loaded = load();

/** tfjs with its engine; there is one instance per process. */
export const tf = loaded.tf;

/** The engine of this process. */
export function engineInfo(): EngineInfo {
  return {...loaded.info};
}
