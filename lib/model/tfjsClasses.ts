/**
 * The layer classes whose behaviour is known: tfjs's own (tfjs-layers 4.22) and this library's.
 */
import * as tf from '@tensorflow/tfjs';
import {nestedContainer} from './tfjsInternals';

/** tfjs's classes that draw random numbers for their samples only, or none. */
const PLAIN = new Set([
  ...['InputLayer', 'ReLU', 'LeakyReLU', 'PReLU', 'ELU', 'ThresholdedReLU', 'Softmax'],
  ...['Conv1D', 'Conv2D', 'Conv3D', 'Conv2DTranspose', 'Conv3DTranspose', 'SeparableConv2D'],
  ...['DepthwiseConv2D', 'Cropping2D', 'UpSampling2D', 'RNN', 'SimpleRNNCell', 'SimpleRNN'],
  ...['GRUCell', 'GRU', 'LSTMCell', 'LSTM', 'StackedRNNCells', 'ConvLSTM2DCell', 'ConvLSTM2D'],
  ...['Dropout', 'SpatialDropout1D', 'GaussianNoise', 'GaussianDropout', 'AlphaDropout', 'Dense'],
  ...['Flatten', 'Activation', 'RepeatVector', 'Reshape', 'Permute', 'Masking', 'Embedding'],
  ...['Add', 'Multiply', 'Average', 'Maximum', 'Minimum', 'Concatenate', 'Dot'],
  ...['BatchNormalization', 'LayerNormalization', 'ZeroPadding2D', 'MaxPooling1D'],
  ...['AveragePooling1D', 'MaxPooling2D', 'AveragePooling2D', 'MaxPooling3D', 'AveragePooling3D'],
  ...['GlobalAveragePooling1D', 'GlobalMaxPooling1D', 'GlobalAveragePooling2D'],
  ...['GlobalMaxPooling2D', 'TimeDistributed', 'Bidirectional', 'Rescaling', 'CenterCrop'],
  ...['CategoryEncoding', 'Resizing'],
]);

/** tfjs's classes that must be tried to know what they draw. */
const TO_BE_TRIED = new Set([
  ...['SeparableConv', 'ConvRNN2D', 'EinsumDense', 'MultiHeadAttention', 'RandomHeight'],
  'RandomWidth',
]);

const CONTAINERS = new Set(['Model', 'Functional', 'Sequential']);

const OURS = 'ManyHands>';
const OUR_PLAIN = new Set(
  ['LayerNorm', 'CausalSelfAttention', 'Dropout', 'PositionEmbedding', 'TokenEmbedding'].map(
    (name) => OURS + name,
  ),
);

/**
 * Whether the layer is of a class that is known to draw for its samples only, or nothing, and not of
 * a user's class that extends one.
 */
export function isKnownClass(layer: tf.layers.Layer): boolean {
  const name = layer.getClassName();
  const [registered] = tf.serialization.SerializationMap.getMap().classNameMap[name] ?? [];
  const isKnown = PLAIN.has(name) || CONTAINERS.has(name) || OUR_PLAIN.has(name);
  return isKnown && layer.constructor === registered;
}

/** Whether the name of a layer's class is neither tfjs's nor this library's. */
export function isUserLayer(layer: tf.layers.Layer): boolean {
  const name = layer.getClassName();
  const isTfjs = PLAIN.has(name) || TO_BE_TRIED.has(name);
  return !isTfjs && !name.startsWith(OURS) && nestedContainer(layer) === null;
}
