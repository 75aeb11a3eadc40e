/**
 * TensorFlow operations that tfjs would compose of several kernels. They are added to tfjs's
 * registry for `fastGradients.ts`.
 */
import * as tf from '@tensorflow/tfjs';
import type {TensorFlowBackend} from './backend';

/** The kernels' names in tfjs's registry. */
export const RELU_GRAD = 'ManyHandsReluGrad';
export const COLUMN_SUM = 'ManyHandsColumnSum';
export const BROADCAST = 'ManyHandsBroadcast';
/** Below this many products, the preparations of the other kernel cost more than it saves. */
const LARGE_PRODUCT = 2 ** 22;

type Inputs = Record<string, tf.TensorInfo>;

function register(
  kernelName: string,
  run: (backend: TensorFlowBackend, inputs: Inputs, attrs: Record<string, unknown>) => unknown,
): void {
  tf.registerKernel({
    kernelName,
    backendName: 'tensorflow',
    kernelFunc: ({inputs, backend, attrs}) =>
      run(
        backend as unknown as TensorFlowBackend,
        inputs as Inputs,
        (attrs ?? {}) as Record<string, unknown>,
      ) as tf.TensorInfo,
  });
}

/**
 * Computes large products of a [m, k] and the transpose of b [n, k] by oneDNN. TensorFlow's x86
 * build contains it under a special name, and uses it by default only on newer processors. Eigen
 * takes twice as long, because it reads the right operand across its rows.
 */
function timesTransposed(engine: TensorFlowBackend): void {
  const {TF_ATTR_BOOL, TF_ATTR_STRING, TF_ATTR_TYPE, TF_FLOAT} = engine.binding;
  const attributes = [
    {name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT},
    {name: 'transpose_a', type: TF_ATTR_BOOL, value: false},
    {name: 'transpose_b', type: TF_ATTR_BOOL, value: true},
    {name: '_kernel', type: TF_ATTR_STRING, value: 'MklNameChangeOp'},
  ];
  const product = (backend: TensorFlowBackend, a: unknown, b: unknown) =>
    backend.executeSingleOutput('_MklMatMul', attributes, [a, b]) as tf.Tensor;
  try {
    const eleven = () => product(engine, tf.tensor2d([[1, 2]]), tf.tensor2d([[3, 4]]));
    if (tf.tidy(() => eleven().dataSync()[0]) !== 11) return;
  } catch {
    // This build is for another processor, or has no oneDNN.
    return;
  }
  const tfjsKernel = tf.getKernel('BatchMatMul', 'tensorflow');
  tf.unregisterKernel('BatchMatMul', 'tensorflow');
  tf.registerKernel({
    ...tfjsKernel,
    kernelFunc: (call) => {
      const {a, b} = call.inputs as {a: tf.TensorInfo; b: tf.TensorInfo};
      const {transposeA, transposeB} = call.attrs as {transposeA: boolean; transposeB: boolean};
      const flat =
        a.shape.length === 2 &&
        b.shape.length === 2 &&
        a.dtype === 'float32' &&
        b.dtype === 'float32';
      if (
        !flat ||
        transposeA ||
        !transposeB ||
        a.shape[0] * b.shape[0] * b.shape[1] < LARGE_PRODUCT
      )
        return tfjsKernel.kernelFunc(call);
      // Not `engine`: tfjs makes a new backend when its engine is reset.
      return product(call.backend as unknown as TensorFlowBackend, a, b);
    },
  });
}

/** Registers the kernels for TensorFlow's engine, which must be the current backend. */
export function registerFastKernels(): void {
  const engine = tf.backend() as unknown as TensorFlowBackend;
  const {TF_ATTR_STRING, TF_ATTR_TYPE, TF_FLOAT, TF_INT32} = engine.binding;
  const T = {name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT};
  const rowsFirst = {name: 'data_format', type: TF_ATTR_STRING, value: 'NHWC'};
  const index = {name: 'Tidx', type: TF_ATTR_TYPE, value: TF_INT32};
  // dy where y is above 0, else 0; `y` is Relu's output.
  register(RELU_GRAD, (backend, {dy, y}) => backend.executeSingleOutput('ReluGrad', [T], [dy, y]));
  // The sum of x, [rows, columns], over its rows.
  register(COLUMN_SUM, (backend, {x}) =>
    backend.executeSingleOutput('BiasAddGrad', [T, rowsFirst], [x]),
  );
  // x repeated along its dims of length 1, to the shape that `shape` holds.
  register(BROADCAST, (backend, {x, shape}) =>
    backend.executeSingleOutput('BroadcastTo', [T, index], [x, shape]),
  );
  // On a GPU the tensors would have to travel to the processor.
  if (!engine.isUsingGpuDevice) timesTransposed(engine);
}
