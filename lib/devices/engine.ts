/**
 * The engine that computes: TensorFlow's own kernels where its addon is in place,
 * tfjs's JavaScript ones elsewhere. Nothing outside this folder touches an engine's package;
 * everybody takes `tf` from here or types from tfjs.
 */
import {readFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import util from 'node:util';
import {ManyHandsError, messageOf, oneOf, shown} from '../base/errors';
import type {TensorFlowBackend} from './backend';
import {registerFastGradients} from './fastGradients';
import {registerFastKernels} from './fastKernels';

/** TensorFlow's own kernels, or tfjs's in plain JavaScript. */
export type EngineName = 'tensorflow' | 'javascript';
const ENGINES: readonly EngineName[] = ['tensorflow', 'javascript'];

/**
 * Which engine this process runs, and where it is not TensorFlow: why, and the one command that
 * mends it.
 */
export interface EngineInfo {
  name: EngineName;
  /** The version of libtensorflow, null on the JavaScript engine. */
  libtensorflow: string | null;
  /** True when this process drives a GPU through CUDA. */
  gpu: boolean;
  reason: string | null;
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
 * tfjs-node 4.22 calls two functions that Node 23 and later lack (tensorflow/tfjs#8425, merged and
 * never released), and that print a warning into the cell where they are still there.
 */
function mendNode(): void {
  Object.assign(util, {
    isNullOrUndefined: (value: unknown) => value === null || value === undefined,
    isArray: Array.isArray,
  });
}

/**
 * The caller's process stays off the GPUs, which belong to the workers: they are hidden while its
 * addon starts.
 */
function withoutGpus<T>(load: () => T): T {
  if (process.env.MANY_HANDS_WORKER === '1') return load();
  const before = process.env.CUDA_VISIBLE_DEVICES;
  process.env.CUDA_VISIBLE_DEVICES = '-1';
  try {
    return load();
  } finally {
    if (before === undefined) delete process.env.CUDA_VISIBLE_DEVICES;
    else process.env.CUDA_VISIBLE_DEVICES = before;
  }
}

function loadJavaScript(reason: string, fix: string | null): {tf: Tf; info: EngineInfo} {
  const tf = require('@tensorflow/tfjs') as Tf;
  tf.setBackend('cpu');
  // The backend greets every Node process with advice to install tfjs-node; `reason` and `fix` say
  // it better.
  (tf.backend() as unknown as {firstUse: boolean}).firstUse = false;
  registerFastGradients(false);
  return {tf, info: {name: 'javascript', libtensorflow: null, gpu: false, reason, fix}};
}

const packageFolder = join(__dirname, '..', '..', '..');

/** What makes the engine: npm's command in a clone, npx's where the package was installed. */
const setUpCommand =
  basename(join(packageFolder, '..')) === 'node_modules' ? 'npx many-hands setup' : 'npm run setup';

interface SetUp {
  reason?: string | null;
  fix?: string | null;
}

/** What set-up wrote of the engine that it made, if it ran here. */
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
  mendNode();
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  try {
    const tf = withoutGpus(() => require('@tensorflow/tfjs-node-gpu')) as Tf;
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
    const made = setUp();
    const sentence = made.reason ?? messageOf(error).split('\n')[0];
    const fix = made.fix ?? setUpCommand;
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

/** tfjs, one instance in a process, with its engine in place. */
export const tf = loaded.tf;

/** The engine of this process, as a copy: reading it starts nothing. */
export function engineInfo(): EngineInfo {
  return {...loaded.info};
}
