/**
 * The layer classes that are known to draw random numbers for their samples only, or none: tfjs's
 * own (tfjs-layers 4.22) and this library's.
 */
import * as tf from '@tensorflow/tfjs';

const KNOWN = new Set([
  ...['InputLayer', 'Model', 'Functional', 'Sequential', 'ReLU', 'LeakyReLU', 'PReLU', 'ELU'],
  ...['ThresholdedReLU', 'Softmax', 'Conv1D', 'Conv2D', 'Conv3D', 'Conv2DTranspose'],
  ...['Conv3DTranspose', 'SeparableConv2D', 'DepthwiseConv2D', 'Cropping2D', 'UpSampling2D'],
  ...['RNN', 'SimpleRNNCell', 'SimpleRNN', 'GRUCell', 'GRU', 'LSTMCell', 'LSTM'],
  ...['StackedRNNCells', 'ConvLSTM2DCell', 'ConvLSTM2D', 'Dropout', 'SpatialDropout1D'],
  ...['GaussianNoise', 'GaussianDropout', 'AlphaDropout', 'Dense', 'Flatten', 'Activation'],
  ...['RepeatVector', 'Reshape', 'Permute', 'Masking', 'Embedding', 'Add', 'Multiply', 'Average'],
  ...['Maximum', 'Minimum', 'Concatenate', 'Dot', 'BatchNormalization', 'LayerNormalization'],
  ...['ZeroPadding2D', 'MaxPooling1D', 'AveragePooling1D', 'MaxPooling2D', 'AveragePooling2D'],
  ...['MaxPooling3D', 'AveragePooling3D', 'GlobalAveragePooling1D', 'GlobalMaxPooling1D'],
  ...['GlobalAveragePooling2D', 'GlobalMaxPooling2D', 'TimeDistributed', 'Bidirectional'],
  ...['Rescaling', 'CenterCrop', 'CategoryEncoding', 'Resizing', 'ManyHands>LayerNorm'],
  ...['ManyHands>CausalSelfAttention', 'ManyHands>Dropout', 'ManyHands>PositionEmbedding'],
  'ManyHands>TokenEmbedding',
]);

/** Whether the layer is of one of these classes, and not of a user's class that extends one. */
export function isKnownClass(layer: tf.layers.Layer): boolean {
  const name = layer.getClassName();
  const [registered] = tf.serialization.SerializationMap.getMap().classNameMap[name] ?? [];
  return KNOWN.has(name) && layer.constructor === registered;
}
