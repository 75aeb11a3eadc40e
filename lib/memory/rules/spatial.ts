/**
 * Outputs of convolutions, pools, normalisation and image operations.
 */
import {type Call, integer, integers, numbers, type Output, type Rule} from '../call';
import {FLOAT, INT32} from '../elementTypes';

const like =
  (input: number): Rule =>
  (call) => ({shape: call.shape(input), type: call.type(input)});
const listed =
  (input: number, typeInput: number): Rule =>
  (call) => ({shape: integers(call, input), type: call.type(typeInput)});

/** The first spatial dim and the channel dim of an image. */
function layout(call: Call): {first: number; channels: number} {
  const rank = call.shape(0).length;
  const channelsFirst = String(call.attribute('data_format') ?? 'NHWC').startsWith('NC');
  return channelsFirst ? {first: 2, channels: 1} : {first: 1, channels: rank - 1};
}

/** tfjs's other ways to round the sizes of a window's output. */
const ROUNDING: Record<string, (size: number) => number> = {round: Math.round, ceil: Math.ceil};

/**
 * A window that slides over every spatial dim; `size` gives its width and `dilations` names the
 * attribute with its dilation, both by dim of the image. VALID: ceil((in - window + 1) / stride),
 * SAME: ceil(in / stride), EXPLICIT: floor((in + pads - window) / stride) + 1.
 */
function slide(
  call: Call,
  size: (dim: number) => number,
  channels: (before: number) => number,
  dilations = 'dilations',
): Output {
  const input = call.shape(0);
  const {first, channels: channelDim} = layout(call);
  const strides = numbers(call, 'strides');
  const rates = (call.attribute(dilations) as number[] | undefined) ?? [];
  const padding = call.attribute('padding');
  const explicit = (call.attribute('explicit_paddings') as number[] | undefined) ?? [];
  const round = ROUNDING[String(call.attribute('rounding'))] ?? Math.floor;
  const shape = [...input];
  for (let dim = first; dim < first + input.length - 2; dim++) {
    const window = (size(dim) - 1) * (rates[dim] ?? 1) + 1;
    if (padding === 'SAME') shape[dim] = Math.ceil(input[dim] / strides[dim]);
    else if (padding === 'VALID') shape[dim] = Math.ceil((input[dim] - window + 1) / strides[dim]);
    else
      shape[dim] =
        round((input[dim] + explicit[2 * dim] + explicit[2 * dim + 1] - window) / strides[dim]) + 1;
    shape[dim] = Math.max(0, shape[dim]);
  }
  shape[channelDim] = channels(input[channelDim]);
  return {shape, type: call.type(0)};
}

/** A filter is [...window, in, out]. */
const convolution: Rule = (call) => {
  const filter = call.shape(1);
  return slide(
    call,
    (dim) => filter[dim - layout(call).first],
    () => filter[filter.length - 1],
  );
};

const depthwise: Rule = (call) => {
  const filter = call.shape(1);
  return slide(
    call,
    (dim) => filter[dim - layout(call).first],
    () => filter[2] * filter[3],
  );
};

const pool: Rule = (call) =>
  slide(
    call,
    (dim) => numbers(call, 'ksize')[dim],
    (channels) => channels,
  );

/** Grey-scale dilation: the filter is [height, width, channels]. */
const dilation: Rule = (call) =>
  slide(
    call,
    (dim) => call.shape(1)[dim - 1],
    (channels) => channels,
    'rates',
  );

/** The normalized images, then `statistics` vectors with one number a channel. */
const batchNorm =
  (statistics: number, rest: Output[] = []): Rule =>
  (call) => {
    const vector: Output = {shape: call.shape(1), type: FLOAT};
    return [
      {shape: call.shape(0), type: call.type(0)},
      ...Array.from({length: statistics}, () => vector),
      ...rest,
    ];
  };

const resize =
  (type?: number): Rule =>
  (call) => {
    const [batch, , , channels] = call.shape(0);
    return {shape: [batch, ...integers(call, 1), channels], type: type ?? call.type(0)};
  };

/**
 * The last outputs of batch norm's kernels: a number or nothing. Eigen's kernels and oneDNN's,
 * which newer processors run, differ here.
 */
const RESERVED: Output = {shape: [], type: FLOAT, atMost: true};

export const spatial: Record<string, Rule> = {
  Conv2D: convolution,
  Conv3D: convolution,
  DepthwiseConv2dNative: depthwise,
  Conv2DBackpropFilter: listed(1, 0),
  Conv2DBackpropInput: listed(0, 1),
  Conv3DBackpropFilterV2: listed(1, 0),
  Conv3DBackpropInputV2: listed(0, 1),
  DepthwiseConv2dNativeBackpropFilter: listed(1, 0),
  DepthwiseConv2dNativeBackpropInput: listed(0, 1),
  AvgPool: pool,
  AvgPool3D: pool,
  MaxPool: pool,
  MaxPool3D: pool,
  AvgPoolGrad: listed(0, 1),
  AvgPool3DGrad: listed(0, 1),
  MaxPoolGrad: like(0),
  MaxPool3DGrad: like(0),
  Dilation2D: dilation,
  Dilation2DBackpropFilter: like(1),
  Dilation2DBackpropInput: like(0),
  FusedBatchNorm: batchNorm(4),
  FusedBatchNormV2: batchNorm(4),
  FusedBatchNormV3: batchNorm(4, [RESERVED]),
  FusedBatchNormGrad: (call) => [
    {shape: call.shape(0), type: call.type(0)},
    {shape: call.shape(2), type: FLOAT},
    {shape: call.shape(2), type: FLOAT},
    RESERVED,
    RESERVED,
  ],
  FusedBatchNormGradV3: (call) => [
    {shape: call.shape(0), type: call.type(0)},
    {shape: call.shape(2), type: FLOAT},
    {shape: call.shape(2), type: FLOAT},
    RESERVED,
    RESERVED,
  ],
  BiasAddGrad: (call) => ({
    shape: [
      call.shape(0)[
        String(call.attribute('data_format')).startsWith('NC') ? 1 : call.shape(0).length - 1
      ],
    ],
    type: call.type(0),
  }),
  ResizeBilinear: resize(FLOAT),
  ResizeNearestNeighbor: resize(),
  ResizeNearestNeighborGrad: resize(),
  ResizeBilinearGrad: (call) => ({shape: call.shape(1), type: call.type(0)}),
  CropAndResize: (call) => ({
    shape: [call.shape(1)[0], ...integers(call, 3), call.shape(0)[3]],
    type: FLOAT,
  }),
  NonMaxSuppressionV3: (call) => ({
    shape: [Math.min(integer(call, 2), call.shape(0)[0])],
    type: INT32,
    atMost: true,
  }),
  NonMaxSuppressionV4: (call) => {
    const padded = Boolean(call.attribute('pad_to_max_output_size'));
    const most = padded ? integer(call, 2) : Math.min(integer(call, 2), call.shape(0)[0]);
    return [
      {shape: [most], type: INT32, atMost: !padded},
      {shape: [], type: INT32},
    ];
  },
  NonMaxSuppressionV5: (call) => {
    const most = [Math.min(integer(call, 2), call.shape(0)[0])];
    return [
      {shape: most, type: INT32, atMost: true},
      {shape: most, type: FLOAT, atMost: true},
      {shape: [], type: INT32},
    ];
  },
};
