/**
 * Runs before each file of the project 'engine', whose files share one process, one engine and one
 * pool of warm workers. Each file must leave all three as it found them.
 */
import {afterAll, expect} from 'vitest';
import type * as tfjs from '@tensorflow/tfjs';
import {tf} from '#lib/devices/register.js';
import {closeWorkers} from '#lib/workers/pool.js';
import {childrenOf, sharedNames} from './processes';
import {keepEnvironment} from './unchanged';

/** The pool of lib/workers keeps at most so many workers. */
const MOST_WORKERS = 8;

const shared = globalThis as {manyHandsTestsEndWell?: boolean};
if (!shared.manyHandsTestsEndWell) {
  shared.manyHandsTestsEndWell = true;
  // Vitest ends this process with SIGTERM after the last file.
  process.once('SIGTERM', () => void closeWorkers().finally(() => process.exit()));
}

keepEnvironment();

// What a file makes is its own and ends with it: tensors, by a scope around the file, and the
// variables of its models. Both begin here, before the file is loaded: some make models at once.
const {state} = tf.engine();
const variables = new Set(Object.values(state.registeredVariables));
const before = tf.memory();
tf.engine().startScope();
const made = state.activeScope.track as tfjs.Tensor[];

afterAll(() => {
  tf.engine().endScope();
  for (const variable of Object.values(state.registeredVariables))
    if (!variables.has(variable)) variable.dispose();
  const shapes = made.filter((one) => !one.isDisposed && one.size > 1).map(({shape}) => shape);
  expect(shapes, 'shapes of tensors that outlive this file').toEqual([]);
  // tfjs keeps a number for each optimizer, and the library two for all: 4 bytes a tensor.
  const now = tf.memory();
  expect(now.numBytes - before.numBytes, 'bytes of tensors that outlive this file').toBe(
    4 * (now.numTensors - before.numTensors),
  );
  if (process.platform !== 'linux') return;
  expect(childrenOf(process.pid).length, 'child processes').toBeLessThanOrEqual(MOST_WORKERS);
  const own = sharedNames().filter((name) => name.startsWith(`mh-${process.pid}-`));
  expect(own, 'named shared memory').toEqual([]);
});
