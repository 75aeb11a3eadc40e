/**
 * Draws layers with valid options: for each rank of the input, the layers that take it.
 */
import type {Draw} from './draw';
import {maybe, type LayerSpec, type Value} from './program';
import {RECURRENT} from './recurrent';
import {WEIGHTS} from './weightOptions';

/** Draws a layer's options for an input of this shape; null if the layer does not take it. */
type OptionMaker = (draw: Draw, shape: number[]) => Record<string, Value> | null;

/** Smooth activations, away from kinks; the others are drawn seldom. */
const SMOOTH = [
  'tanh',
  'sigmoid',
  'elu',
  'selu',
  'softplus',
  'softsign',
  'swish',
  'linear',
  'mish',
];
const KINKED = ['relu', 'relu6', 'hardSigmoid', 'softmax', 'gelu', 'gelu_new'];

const activation = (draw: Draw): string => draw.pick(draw.chance(0.1) ? KINKED : SMOOTH);

const withActivation = (draw: Draw): Record<string, Value> =>
  draw.chance(0.5) ? {activation: activation(draw)} : {};

const rate = (draw: Draw) => draw.number(0.1, 0.5);
const size2 = (draw: Draw): Value => (draw.chance(0.5) ? 2 : [draw.integer(1, 2), 2]);
const padding = (draw: Draw): Record<string, Value> =>
  draw.chance(0.6) ? {padding: draw.pick(['same', 'valid'])} : {};

function convolution(draw: Draw, dims: number): Record<string, Value> {
  const size = draw.integer(1, 3);
  return {
    kernelSize: dims === 2 && draw.chance(0.3) ? [size, 2] : size,
    ...padding(draw),
    ...(draw.chance(0.25) ? {strides: 2} : {}),
    ...withActivation(draw),
    ...WEIGHTS.bias(draw),
  };
}

const filtered = (draw: Draw, dims: number) => ({
  filters: draw.integer(1, 3),
  ...convolution(draw, dims),
  ...WEIGHTS.kernel(draw),
});

const pooling = (draw: Draw, dims: number): Record<string, Value> => ({
  poolSize: dims === 2 ? size2(draw) : 2,
  ...(draw.chance(0.3) ? {strides: draw.integer(1, 2)} : {}),
  ...padding(draw),
});

const dense: OptionMaker = (draw) => ({
  units: draw.integer(2, 5),
  ...withActivation(draw),
  ...WEIGHTS.bias(draw),
  ...WEIGHTS.kernel(draw),
});

const batchNormalization: OptionMaker = (draw, shape) => ({
  ...(draw.chance(0.5) ? {momentum: draw.number(0.3, 0.95)} : {}),
  ...(draw.chance(0.2) ? {epsilon: 0.01} : {}),
  ...(draw.chance(0.15) ? {center: false} : {}),
  ...(draw.chance(0.03) ? {scale: false} : {}),
  ...(shape.length > 1 && draw.chance(0.15) ? {axis: draw.integer(1, shape.length)} : {}),
  ...(draw.chance(0.1) ? {gammaRegularizer: {js: 'tf.regularizers.l2({l2: 0.01})'}} : {}),
});

/** Layers for inputs of every rank. */
const ANY: Record<string, OptionMaker> = {
  activation: (draw) => ({activation: activation(draw)}),
  elu: (draw) => maybe(draw.chance(0.5), {alpha: draw.number(0.5, 1.5)}),
  leakyReLU: (draw) => ({alpha: draw.number(0.1, 0.9)}),
  prelu: (draw, shape) => ({
    ...(shape.length > 1 && draw.chance(0.4) ? {sharedAxes: [1]} : {}),
    ...WEIGHTS.named(draw, 'alpha'),
  }),
  softmax: (draw) => maybe(draw.chance(0.3), {axis: -1}),
  reLU: (draw) => maybe(draw.chance(0.3), {maxValue: 1}),
  thresholdedReLU: (draw) => ({theta: draw.number(0.1, 0.5)}),
  batchNormalization,
  layerNormalization: (draw) => ({
    ...(draw.chance(0.2) ? {epsilon: 0.01} : {}),
    ...(draw.chance(0.1) ? {center: false} : {}),
    ...(draw.chance(0.1) ? {scale: false} : {}),
  }),
  rescaling: (draw) => ({scale: draw.number(0.3, 2), offset: draw.number(-0.5, 0.5)}),
  dropout: (draw, shape) => ({
    rate: rate(draw),
    ...(draw.chance(0.15) ? {seed: draw.integer(1, 9)} : {}),
    ...(shape.length > 1 && draw.chance(0.15)
      ? {noiseShape: [null, 1, ...shape.slice(1)] as Value}
      : {}),
  }),
  gaussianNoise: (draw) => ({stddev: rate(draw)}),
  gaussianDropout: (draw) => ({rate: rate(draw)}),
  alphaDropout: (draw) => ({rate: rate(draw)}),
};

const VECTORS: Record<string, OptionMaker> = {
  dense,
  repeatVector: (draw) => ({n: draw.integer(2, 3)}),
  reshape: (draw, [n]) =>
    n % 2 === 0
      ? {
          targetShape: draw.pick([
            [2, n / 2],
            [-1, 2],
          ]),
        }
      : null,
};

const SEQUENCES: Record<string, OptionMaker> = {
  dense,
  ...RECURRENT,
  conv1d: (draw) => filtered(draw, 1),
  averagePooling1d: (draw) => pooling(draw, 1),
  maxPooling1d: (draw) => pooling(draw, 1),
  globalAveragePooling1d: () => ({}),
  globalMaxPooling1d: () => ({}),
  masking: (draw) => maybe(draw.chance(0.3), {maskValue: 0}),
  permute: () => ({dims: [2, 1]}),
  flatten: () => ({}),
  reshape: (_, [t, c]) => ({targetShape: [c, t]}),
  spatialDropout1d: (draw) => ({rate: rate(draw)}),
};

const IMAGES: Record<string, OptionMaker> = {
  conv2d: (draw) => filtered(draw, 2),
  conv2dTranspose: (draw) => filtered(draw, 2),
  depthwiseConv2d: (draw) => ({
    ...convolution(draw, 2),
    ...(draw.chance(0.4) ? {depthMultiplier: 2} : {}),
    ...WEIGHTS.named(draw, 'depthwise'),
  }),
  separableConv2d: (draw) => ({
    filters: draw.integer(1, 3),
    ...convolution(draw, 2),
    ...(draw.chance(0.3) ? {depthMultiplier: 2} : {}),
    ...WEIGHTS.named(draw, 'pointwise'),
  }),
  upSampling2d: (draw) => ({
    size: [draw.integer(1, 2), 2],
    ...(draw.chance(0.3) ? {interpolation: 'bilinear'} : {}),
  }),
  cropping2D: (draw) => ({
    cropping: draw.pick<Value>([
      1,
      [
        [1, 0],
        [0, 1],
      ],
    ]),
  }),
  zeroPadding2d: (draw) => ({
    padding: draw.pick<Value>([
      1,
      [1, 2],
      [
        [1, 0],
        [0, 2],
      ],
    ]),
  }),
  averagePooling2d: (draw) => pooling(draw, 2),
  maxPooling2d: (draw) => pooling(draw, 2),
  globalAveragePooling2d: () => ({}),
  globalMaxPooling2d: () => ({}),
  // Not resizing, whose shapes are wrong in tfjs: fit takes no model that contains it.
  centerCrop: (draw, [h, w]) => ({height: draw.integer(1, h), width: draw.integer(1, w)}),
  dense,
  flatten: () => ({}),
  permute: () => ({dims: [2, 1, 3]}),
  timeDistributed: (draw) => ({
    layer: {spec: {kind: 'dense', options: {units: draw.integer(2, 3)}}},
  }),
  reshape: (_, [h, w, c]) => ({targetShape: [h, w * c]}),
};

const VOLUMES: Record<string, OptionMaker> = {
  conv3d: (draw) => filtered(draw, 3),
  conv3dTranspose: (draw) => filtered(draw, 3),
  averagePooling3d: (draw) => pooling(draw, 3),
  maxPooling3d: (draw) => pooling(draw, 3),
  convLstm2d: (draw) => ({
    filters: draw.integer(1, 2),
    kernelSize: draw.integer(1, 2),
    ...padding(draw),
    ...(draw.chance(0.4) ? {returnSequences: true} : {}),
    ...WEIGHTS.bias(draw),
  }),
  timeDistributed: (draw) => ({
    layer: {spec: {kind: 'conv2d', options: {filters: 2, ...convolution(draw, 2)}}},
  }),
  flatten: () => ({}),
};

const BY_RANK = [{}, VECTORS, SEQUENCES, IMAGES, VOLUMES];

/** Layers that leave an image an image; drawn more often, so that several follow each other. */
const KEEP_IMAGES = /conv|2d$|crop/i;

/** Draws a layer for an input of `shape`, which does not count the samples. */
export function drawLayer(draw: Draw, shape: number[]): LayerSpec | null {
  const table = draw.chance(0.3) ? ANY : BY_RANK[shape.length];
  const kinds = Object.keys(table);
  const kept = kinds.filter((kind) => KEEP_IMAGES.test(kind));
  const kind = draw.pick(shape.length > 2 && kept.length > 0 && draw.chance(0.6) ? kept : kinds);
  const options = (table as Record<string, OptionMaker>)[kind](draw, shape);
  if (options === null) return null;
  return {kind, options: draw.chance(0.04) ? {...options, trainable: false} : options};
}
