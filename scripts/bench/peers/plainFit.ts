/**
 * A process of its own. Plain tfjs: the same model and data through `model.fit`, with none of
 * many-hands' kernels or steps.
 */
import util from 'node:util';
import type * as tfTypes from '@tensorflow/tfjs';
import {EPOCHS, TRAIN_CASES} from '../trainCases';

// tfjs-node 4.22 calls what Node 23 and later lack.
const old = util as unknown as Record<string, unknown>;
old.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
old.isArray ??= Array.isArray;
const tf = require('@tensorflow/tfjs-node-gpu') as typeof tfTypes;

let model: tfTypes.LayersModel;
let xs: tfTypes.Tensor;
let ys: tfTypes.Tensor;
let batchSize = 0;

/**
 * From the caller: the number of a case to prepare, or 'run'; answered with the seconds that it
 * took.
 */
process.on(
  'message',
  (message: number | 'run') => void serve(message).then((seconds) => process.send!(seconds)),
);
process.on('disconnect', () => process.exit(0));

async function serve(message: number | 'run'): Promise<number> {
  if (message !== 'run') {
    const one = TRAIN_CASES[message];
    const data = one.data();
    tf.dispose([xs, ys].filter((tensor) => tensor !== undefined));
    batchSize = one.batchSize;
    model = one.model();
    const {values, shape, scale = 1} = data.xs;
    xs =
      values instanceof Int32Array
        ? tf.tensor(values, shape, 'int32')
        : tf.tensor(
            Float32Array.from(values, (value) => value * scale),
            shape,
          );
    ys = tf.tensor(Float32Array.from(data.ys.values), data.ys.shape);
    return 0;
  }
  const start = performance.now();
  await model.fit(xs, ys, {batchSize, epochs: EPOCHS, verbose: 0});
  return (performance.now() - start) / 1000;
}
