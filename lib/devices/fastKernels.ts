/**
 * Either side. TensorFlow operations that tfjs composes out of several, as kernels in tfjs's registry. `fastGradients.ts` uses them.
 */
import * as tf from '@tensorflow/tfjs';
import type {TensorFlowBackend} from './engine';

/** The names under which the kernels stand in tfjs's registry. */
export const RELU_GRAD = 'ManyHandsReluGrad';
export const COLUMN_SUM = 'ManyHandsColumnSum';
export const BROADCAST = 'ManyHandsBroadcast';

type Inputs = Record<string, tf.TensorInfo>;

function register(kernelName: string, run: (backend: TensorFlowBackend, inputs: Inputs, attrs: Record<string, unknown>) => unknown): void {
  tf.registerKernel({
    kernelName,
    backendName: 'tensorflow',
    kernelFunc: ({inputs, backend, attrs}) => run(backend as unknown as TensorFlowBackend, inputs as Inputs, (attrs ?? {}) as Record<string, unknown>) as tf.TensorInfo,
  });
}

/** Registers the kernels for TensorFlow's engine, which must be in force. */
export function registerFastKernels(): void {
  const {TF_ATTR_STRING, TF_ATTR_TYPE, TF_FLOAT, TF_INT32} = (tf.backend() as unknown as TensorFlowBackend).binding;
  const T = {name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT};
  const rowsFirst = {name: 'data_format', type: TF_ATTR_STRING, value: 'NHWC'};
  const index = {name: 'Tidx', type: TF_ATTR_TYPE, value: TF_INT32};
  // dy where y is above 0, else 0; `y` is Relu's output.
  register(RELU_GRAD, (backend, {dy, y}) => backend.executeSingleOutput('ReluGrad', [T], [dy, y]));
  // The sum of x, [rows, columns], over its rows.
  register(COLUMN_SUM, (backend, {x}) => backend.executeSingleOutput('BiasAddGrad', [T, rowsFirst], [x]));
  // x repeated along its dims of length 1, to the shape that `shape` holds.
  register(BROADCAST, (backend, {x, shape}) => backend.executeSingleOutput('BroadcastTo', [T, index], [x, shape]));
}
