/**
 * Either side. Gradients that tfjs composes out of many operations, where TensorFlow has one of its own: registered in tfjs's
 * registry, so that every layer, model and plain `fit` of this process gains.
 */
import * as tf from '@tensorflow/tfjs';
import type {TensorFlowBackend} from './engine';

interface TypeAttribute {
  name: string;
  type: number;
  value: number;
}

// TF_ATTR_TYPE and TF_FLOAT of TensorFlow's C API, which the addon passes through.
const ATTRIBUTE_IS_TYPE = 2;
const FLOAT = 1;
const floatType: TypeAttribute = {name: 'T', type: ATTRIBUTE_IS_TYPE, value: FLOAT};

function run(name: string, inputs: tf.Tensor[], attributes: unknown[] = [floatType]): tf.Tensor {
  return (tf.backend() as unknown as TensorFlowBackend).executeSingleOutput(name, attributes, inputs) as tf.Tensor;
}

/**
 * Replaces the gradient of `Relu`: tfjs multiplies by a step made of Greater, IsNaN, Select and Fill; TensorFlow's ReluGrad does
 * it in one pass over the outputs, to the same bits (dy where the output is above 0, else 0; tfjs's is NaN where the output is NaN).
 */
export function registerFastKernels(): void {
  tf.registerKernel({
    kernelName: 'ManyHandsReluGrad',
    backendName: 'tensorflow',
    kernelFunc: ({inputs}) => run('ReluGrad', [inputs.dy as tf.Tensor, inputs.y as tf.Tensor]),
  });
  tf.unregisterGradient('Relu');
  tf.registerGradient({
    kernelName: 'Relu',
    outputsToSave: [true],
    gradFunc: (dy, saved) => ({
      x: () => tf.engine().runKernel('ManyHandsReluGrad', {dy: dy as tf.Tensor, y: saved[0]}) as tf.Tensor,
    }),
  });
}
