/**
 * Kernel calls of tfjs's JavaScript engine in TensorFlow's words: a translation of
 * inputs and attributes for each kernel that differs.
 */
import * as tf from '@tensorflow/tfjs';
import {typeNumber} from './elementTypes';

type Info = tf.TensorInfo;
export type Inputs = Record<string, Info> | Info[];
export type Attributes = Record<string, unknown>;

/** An operation's input: a tensor, or the numbers that TensorFlow would take as one. */
export type Operand = Info | number[];

/** A kernel call in TensorFlow's words; without `op` the operation has the kernel's name. */
export interface TranslatedCall {
  op?: string;
  operands: Operand[];
  attributes?: Attributes;
}

const list = (value: unknown): number[] =>
  Array.isArray(value) ? (value as number[]) : [value as number];
const type = (value: unknown): number => typeNumber(value as string);
const pick = (inputs: Inputs, ...names: string[]): Info[] =>
  names.map((name) => (inputs as Record<string, Info>)[name]);

/** All dims if no axis is named. */
const axesOf = (axis: unknown, x: Info): number[] =>
  tf.util.parseAxisParam((axis ?? undefined) as number | number[], x.shape);
const reduce =
  (name: string) =>
  (inputs: Inputs, attributes: Attributes): TranslatedCall => {
    const [x] = pick(inputs, 'x');
    return {
      operands: [x, axesOf(attributes[name], x)],
      attributes: {keep_dims: attributes.keepDims},
    };
  };

/** The sizes of a window, one for each dim of an image [batch, ..., channels]. */
const byImageDim = (sizes: number[]): number[] => [1, ...sizes, 1];

/**
 * tfjs's `pad` is a word, a number, or a list: [[0, 0], [top, bottom], [left, right], [0, 0]].
 * `rounding` says how the sizes of the output become integers; TensorFlow rounds down.
 */
function padding({pad, dimRoundingMode}: Attributes, rank: number): Attributes {
  if (typeof pad === 'string') return {padding: pad.toUpperCase()};
  const byDim =
    typeof pad === 'number'
      ? Array.from({length: rank}, (_, i) => (i === 0 || i === rank - 1 ? [0, 0] : [pad, pad]))
      : (pad as number[][]);
  return {padding: 'EXPLICIT', explicit_paddings: byDim.flat(), rounding: dimRoundingMode};
}

const repeated = (value: unknown, dims: number): number[] =>
  Array.isArray(value) ? (value as number[]) : Array.from({length: dims}, () => value as number);

const convolve =
  (dims: number) =>
  (inputs: Inputs, attributes: Attributes): TranslatedCall => ({
    operands: pick(inputs, 'x', 'filter'),
    attributes: {
      strides: byImageDim(repeated(attributes.strides, dims)),
      dilations: byImageDim(repeated(attributes.dilations ?? 1, dims)),
      ...padding(attributes, dims + 2),
      data_format: attributes.dataFormat === 'NCHW' ? 'NCHW' : 'NHWC',
    },
  });

const pool =
  (dims: number) =>
  (inputs: Inputs, attributes: Attributes): TranslatedCall => ({
    operands: pick(inputs, 'x'),
    attributes: {
      ksize: byImageDim(repeated(attributes.filterSize, dims)),
      strides: byImageDim(repeated(attributes.strides, dims)),
      ...padding(attributes, dims + 2),
    },
  });

const gradient =
  (filterOrInput: string, ...names: string[]) =>
  (inputs: Inputs, attributes: Attributes): TranslatedCall => {
    const [first, second] = pick(inputs, ...names);
    const shape = attributes[filterOrInput] as number[];
    return {
      operands: filterOrInput === 'filterShape' ? [first, shape, second] : [shape, first, second],
    };
  };

/**
 * Kernels whose inputs or attributes differ from TensorFlow's; the other kernels have the same
 * inputs in the same order.
 */
export const TRANSLATIONS: Record<
  string,
  (inputs: Inputs, attributes: Attributes) => TranslatedCall
> = {
  Sum: reduce('axis'),
  Mean: reduce('axis'),
  Min: reduce('axis'),
  Prod: reduce('axis'),
  All: reduce('axis'),
  Any: reduce('axis'),
  Max: reduce('reductionIndices'),
  ArgMax: (inputs, {axis}) => ({operands: [...pick(inputs, 'x'), list(axis)]}),
  ArgMin: (inputs, {axis}) => ({operands: [...pick(inputs, 'x'), list(axis)]}),
  Cast: (inputs, {dtype}) => ({operands: pick(inputs, 'x'), attributes: {DstT: type(dtype)}}),
  Fill: (_, {shape, dtype, value}) => ({
    operands: [shape as number[]],
    attributes: {T: type(dtype ?? (typeof value === 'number' ? 'float32' : 'string'))},
  }),
  Range: (_, {start, stop, step, dtype}) => {
    const backwards = (stop as number) < (start as number) && step === 1;
    const empty =
      start === stop ||
      ((start as number) < (stop as number) && (step as number) < 0) ||
      ((stop as number) < (start as number) && (step as number) > 1);
    return {
      operands: [list(start), list(empty ? start : stop), [backwards ? -1 : (step as number)]],
      attributes: {Tidx: type(dtype)},
    };
  },
  LinSpace: (_, {start, stop, num}) => ({
    operands: [list(start), list(stop), list(num)],
    attributes: {T: type('float32')},
  }),
  OneHot: (inputs, {depth, dtype}) => ({
    operands: [...pick(inputs, 'indices'), list(depth)],
    attributes: {T: type(dtype ?? 'float32')},
  }),
  Multinomial: (inputs, {numSamples}) => ({
    operands: [...pick(inputs, 'logits'), list(numSamples)],
    attributes: {output_dtype: type('int32')},
  }),
  Select: (inputs) => ({operands: pick(inputs, 'condition', 't', 'e')}),
  Slice: (inputs, {begin, size}) => {
    const [x] = pick(inputs, 'x');
    return {
      operands: [
        x,
        ...tf.slice_util.parseSliceParams(x as tf.Tensor, begin as number[], size as number[]),
      ],
    };
  },
  StridedSlice: (inputs, {begin, end, strides, ...masks}) => ({
    operands: [...pick(inputs, 'x'), begin as number[], end as number[], strides as number[]],
    attributes: {
      begin_mask: masks.beginMask,
      end_mask: masks.endMask,
      ellipsis_mask: masks.ellipsisMask,
      new_axis_mask: masks.newAxisMask,
      shrink_axis_mask: masks.shrinkAxisMask,
    },
  }),
  SplitV: (inputs, {numOrSizeSplits, axis}) => {
    const [x] = pick(inputs, 'x');
    const [dim] = axesOf(axis, x);
    return {
      operands: [
        x,
        tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits as number[], dim),
        [dim],
      ],
    };
  },
  Unpack: (inputs, {axis}) => ({operands: pick(inputs, 'value'), attributes: {axis}}),
  Pack: (inputs, {axis}) => ({operands: Object.values(inputs), attributes: {axis}}),
  Concat: (inputs, {axis}) => ({op: 'ConcatV2', operands: [...Object.values(inputs), list(axis)]}),
  Transpose: (inputs, {perm}) => ({operands: [...pick(inputs, 'x'), perm as number[]]}),
  Reshape: (inputs, {shape}) => ({operands: [...pick(inputs, 'x'), shape as number[]]}),
  ExpandDims: (inputs, {dim}) => ({operands: [...pick(inputs, 'input'), list(dim)]}),
  PadV2: (inputs, {paddings}) => ({
    operands: [...pick(inputs, 'x'), (paddings as number[][]).flat()],
  }),
  MirrorPad: (inputs, {paddings}) => ({
    operands: [...pick(inputs, 'x'), (paddings as number[][]).flat()],
  }),
  Tile: (inputs, {reps}) => ({operands: [...pick(inputs, 'x'), reps as number[]]}),
  Reverse: (inputs) => ({op: 'ReverseV2', operands: pick(inputs, 'x')}),
  FlipLeftRight: (inputs) => ({op: 'ReverseV2', operands: pick(inputs, 'image')}),
  GatherV2: (inputs, {axis, batchDims}) => ({
    operands: [...pick(inputs, 'x', 'indices'), list(axis)],
    attributes: {batch_dims: batchDims},
  }),
  GatherNd: (inputs) => ({operands: pick(inputs, 'params', 'indices')}),
  ScatterNd: (inputs, {shape}) => ({
    operands: [...pick(inputs, 'indices', 'updates'), shape as number[]],
  }),
  TensorScatterUpdate: (inputs) => ({operands: pick(inputs, 'tensor', 'indices', 'updates')}),
  SparseToDense: (inputs, {outputShape}) => ({
    operands: [
      ...pick(inputs, 'sparseIndices'),
      outputShape as number[],
      ...pick(inputs, 'sparseValues'),
    ],
  }),
  UnsortedSegmentSum: (inputs, {numSegments}) => ({
    operands: [...pick(inputs, 'x', 'segmentIds'), list(numSegments)],
  }),
  SpaceToBatchND: (inputs, {blockShape, paddings}) => ({
    operands: [...pick(inputs, 'x'), blockShape as number[], (paddings as number[][]).flat()],
  }),
  BatchToSpaceND: (inputs, {blockShape, crops}) => ({
    operands: [...pick(inputs, 'x'), blockShape as number[], (crops as number[][]).flat()],
  }),
  DepthToSpace: (inputs, {blockSize, dataFormat}) => ({
    operands: pick(inputs, 'x'),
    attributes: {block_size: blockSize, data_format: dataFormat},
  }),
  TopK: (inputs, {k}) => ({op: 'TopKV2', operands: [...pick(inputs, 'x'), list(k ?? 1)]}),
  Unique: (inputs, {axis}) => ({
    op: 'UniqueV2',
    operands: [...pick(inputs, 'x'), axesOf(axis ?? 0, pick(inputs, 'x')[0])],
  }),
  Bincount: (inputs, {size}) => ({
    operands: [...pick(inputs, 'x'), list(size), ...pick(inputs, 'weights')],
  }),
  DenseBincount: (inputs, {size}) => ({
    operands: [...pick(inputs, 'x'), list(size), ...pick(inputs, 'weights')],
  }),
  BatchMatMul: (inputs, {transposeA, transposeB}) => ({
    operands: pick(inputs, 'a', 'b'),
    attributes: {adj_x: transposeA, adj_y: transposeB},
  }),
  _FusedMatMul: (inputs, {transposeA, transposeB}) => ({
    operands: pick(inputs, 'a', 'b'),
    attributes: {transpose_a: transposeA, transpose_b: transposeB},
  }),
  Einsum: (inputs, {equation}) => ({operands: Object.values(inputs), attributes: {equation}}),
  AddN: (inputs) => ({operands: Object.values(inputs)}),
  Multiply: (inputs) => ({op: 'Mul', operands: pick(inputs, 'a', 'b')}),
  Mod: (inputs) => ({op: 'FloorMod', operands: pick(inputs, 'a', 'b')}),
  Prelu: (inputs) => ({op: 'Add', operands: pick(inputs, 'x', 'alpha')}),
  Step: (inputs) => ({op: 'Relu', operands: pick(inputs, 'x')}),
  RotateWithOffset: (inputs) => ({op: 'Relu', operands: pick(inputs, 'image')}),
  Conv2D: convolve(2),
  FusedConv2D: (i, a) => ({...convolve(2)(i, a), op: 'Conv2D'}),
  Conv3D: convolve(3),
  DepthwiseConv2dNative: convolve(2),
  FusedDepthwiseConv2D: (i, a) => ({...convolve(2)(i, a), op: 'DepthwiseConv2dNative'}),
  Conv2DBackpropFilter: gradient('filterShape', 'x', 'dy'),
  Conv2DBackpropInput: gradient('inputShape', 'filter', 'dy'),
  Conv3DBackpropFilterV2: gradient('filterShape', 'x', 'dy'),
  Conv3DBackpropInputV2: gradient('inputShape', 'filter', 'dy'),
  DepthwiseConv2dNativeBackpropFilter: gradient('filterShape', 'x', 'dy'),
  DepthwiseConv2dNativeBackpropInput: gradient('inputShape', 'filter', 'dy'),
  AvgPool: pool(2),
  MaxPool: pool(2),
  AvgPool3D: pool(3),
  MaxPool3D: pool(3),
  AvgPoolGrad: (inputs) => ({operands: [pick(inputs, 'input')[0].shape, ...pick(inputs, 'dy')]}),
  AvgPool3DGrad: (inputs) => ({operands: [pick(inputs, 'input')[0].shape, ...pick(inputs, 'dy')]}),
  MaxPoolGrad: (inputs) => ({operands: pick(inputs, 'input')}),
  MaxPool3DGrad: (inputs) => ({operands: pick(inputs, 'input')}),
  FusedBatchNorm: (inputs) => ({op: 'Relu', operands: pick(inputs, 'x')}),
  ResizeBilinear: (inputs, {size}) => ({operands: [...pick(inputs, 'images'), size as number[]]}),
  ResizeNearestNeighbor: (inputs, {size}) => ({
    operands: [...pick(inputs, 'images'), size as number[]],
  }),
  ResizeBilinearGrad: (inputs) => ({operands: pick(inputs, 'dy', 'images')}),
  ResizeNearestNeighborGrad: (inputs) => ({
    op: 'ResizeBilinearGrad',
    operands: pick(inputs, 'dy', 'images'),
  }),
  CropAndResize: (inputs, {cropSize}) => ({
    operands: [...pick(inputs, 'image', 'boxes', 'boxInd'), cropSize as number[]],
  }),
  Dilation2D: (inputs, {strides, dilations, pad}) => ({
    operands: pick(inputs, 'x', 'filter'),
    attributes: {
      strides: byImageDim(repeated(strides, 2)),
      rates: byImageDim(repeated(dilations, 2)),
      ...padding({pad}, 4),
    },
  }),
  NonMaxSuppressionV3: (inputs, {maxOutputSize}) => ({
    operands: [...pick(inputs, 'boxes', 'scores'), list(maxOutputSize)],
  }),
  NonMaxSuppressionV4: (inputs, {maxOutputSize, padToMaxOutputSize}) => ({
    operands: [...pick(inputs, 'boxes', 'scores'), list(maxOutputSize)],
    attributes: {pad_to_max_output_size: padToMaxOutputSize},
  }),
  NonMaxSuppressionV5: (inputs, {maxOutputSize}) => ({
    operands: [...pick(inputs, 'boxes', 'scores'), list(maxOutputSize)],
  }),
  LRNGrad: (inputs) => ({operands: pick(inputs, 'x')}),
};
