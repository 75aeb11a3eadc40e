/**
 * Says a kernel call of tfjs's JavaScript engine in TensorFlow's words, so that one
 * set of rules tells the sizes of both.
 */
import * as tf from '@tensorflow/tfjs';
import type {Call, Output} from './call';
import {elements, FLOAT, INT32, typeName, typeNumber} from './elementTypes';
import {hasRule, outputsOf} from './outputShapes';

type Info = tf.TensorInfo;
type Inputs = Record<string, Info> | Info[];
type Attributes = Record<string, unknown>;

/** An operation's input: a tensor, or the numbers that TensorFlow would take as one. */
type Operand = Info | number[];

interface Said {
  op?: string;
  operands: Operand[];
  attributes?: Attributes;
}

class JavaScriptCall implements Call {
  readonly count: number;
  constructor(
    readonly op: string,
    private readonly operands: Operand[],
    private readonly attributes: Attributes,
  ) {
    this.count = operands.length;
  }
  shape(input: number): readonly number[] {
    const operand = this.operands[input];
    return Array.isArray(operand) ? [operand.length] : operand.shape;
  }
  type(input: number): number {
    const operand = this.operands[input];
    return Array.isArray(operand) ? typeNumber('int32') : typeNumber(operand.dtype);
  }
  values(input: number): ArrayLike<number> {
    const operand = this.operands[input];
    return Array.isArray(operand)
      ? operand
      : (tf.backend().readSync(operand.dataId) as ArrayLike<number>);
  }
  attribute(name: string): unknown {
    return this.attributes[name];
  }
}

const list = (value: unknown): number[] =>
  Array.isArray(value) ? (value as number[]) : [value as number];
const type = (value: unknown): number => typeNumber(value as string);
const pick = (inputs: Inputs, ...names: string[]): Info[] =>
  names.map((name) => (inputs as Record<string, Info>)[name]);

/** Over all dims where no axis is named. */
const axesOf = (axis: unknown, x: Info): number[] =>
  tf.util.parseAxisParam((axis ?? undefined) as number | number[], x.shape);
const reduce =
  (name: string) =>
  (inputs: Inputs, attributes: Attributes): Said => {
    const [x] = pick(inputs, 'x');
    return {
      operands: [x, axesOf(attributes[name], x)],
      attributes: {keep_dims: attributes.keepDims},
    };
  };

/** Height, width and depth of a window, by dim of an image [batch, ..., channels]. */
const around = (sizes: number[]): number[] => [1, ...sizes, 1];

/**
 * tfjs's `pad` is a word, a number, or explicit: [[0, 0], [top, bottom], [left, right], [0, 0]].
 */
function padding(pad: unknown, rank: number): Attributes {
  if (typeof pad === 'string') return {padding: pad.toUpperCase()};
  const each =
    typeof pad === 'number'
      ? Array.from({length: rank}, (_, i) => (i === 0 || i === rank - 1 ? [0, 0] : [pad, pad]))
      : (pad as number[][]);
  return {padding: 'EXPLICIT', explicit_paddings: each.flat()};
}

const spread = (value: unknown, dims: number): number[] =>
  Array.isArray(value) ? (value as number[]) : Array.from({length: dims}, () => value as number);

const convolve =
  (dims: number) =>
  (inputs: Inputs, attributes: Attributes): Said => ({
    operands: pick(inputs, 'x', 'filter'),
    attributes: {
      strides: around(spread(attributes.strides, dims)),
      dilations: around(spread(attributes.dilations ?? 1, dims)),
      ...padding(attributes.pad, dims + 2),
      data_format: attributes.dataFormat === 'NCHW' ? 'NCHW' : 'NHWC',
    },
  });

const pool =
  (dims: number) =>
  (inputs: Inputs, attributes: Attributes): Said => ({
    operands: pick(inputs, 'x'),
    attributes: {
      ksize: around(spread(attributes.filterSize, dims)),
      strides: around(spread(attributes.strides, dims)),
      ...padding(attributes.pad, dims + 2),
    },
  });

const gradient =
  (filterOrInput: string, ...names: string[]) =>
  (inputs: Inputs, attributes: Attributes): Said => {
    const [first, second] = pick(inputs, ...names);
    const shape = attributes[filterOrInput] as number[];
    return {
      operands: filterOrInput === 'filterShape' ? [first, shape, second] : [shape, first, second],
    };
  };

/**
 * Kernels whose inputs or attributes TensorFlow gives otherwise; the others' inputs go in their
 * order.
 */
const SAID: Record<string, (inputs: Inputs, attributes: Attributes) => Said> = {
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
    attributes: {
      T: dtype ? type(dtype) : typeof value === 'number' ? type('float32') : type('string'),
    },
  }),
  Range: (_, {start, stop, step, dtype}) => {
    const backwards = (stop as number) < (start as number) && step === 1;
    const none =
      start === stop ||
      ((start as number) < (stop as number) && (step as number) < 0) ||
      ((stop as number) < (start as number) && (step as number) > 1);
    return {
      operands: [list(start), list(none ? start : stop), [backwards ? -1 : (step as number)]],
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
      strides: around(spread(strides, 2)),
      rates: around(spread(dilations, 2)),
      ...padding(pad, 4),
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

type Shares = (call: Call, output: Output, index: number) => boolean;
const always: Shares = () => true;
const asTold: Shares = (_, output) => output.from !== undefined;
const inOnePiece = (call: Call, begin: number[], size: readonly number[]): boolean =>
  tf.slice_util.isSliceContinous([...call.shape(0)], begin, [...size]);
const atOnes: Shares = (call, output) =>
  (call.attribute('ksize') as number[]).every((size) => size === 1) &&
  output.shape.every((dim, i) => dim === call.shape(0)[i]);
const part: Shares = (call, _, index) => {
  const size = [...call.shape(0)];
  const cut = call.op === 'SplitV';
  size[cut ? call.values(2)[0] : Number(call.attribute('axis') ?? 0)] = cut
    ? call.values(1)[index]
    : 1;
  return inOnePiece(
    call,
    size.map(() => 0),
    size,
  );
};

/**
 * When an output of the JavaScript engine shares its input's memory: the same values under another
 * shape or type, and cuts in one piece.
 */
const SHARING: Record<string, Shares> = {
  Identity: always,
  Reshape: always,
  ExpandDims: always,
  Complex: always,
  Real: always,
  Imag: always,
  TensorScatterUpdate: always,
  Einsum: asTold,
  SplitV: part,
  Unpack: part,
  AvgPool: atOnes,
  MaxPool: atOnes,
  Pack: (call) => call.count === 1,
  ConcatV2: (call) =>
    Array.from({length: call.count - 1}, (_, i) => elements(call.shape(i))).filter(
      (size) => size > 0,
    ).length === 1,
  Cast: (call, output) => !tf.util.hasEncodingLoss(typeName(call.type(0)), typeName(output.type)),
  Slice: (call, output) => inOnePiece(call, Array.from(call.values(1)), output.shape),
  StridedSlice: (call) => {
    const mask = (name: string) => Number(call.attribute(name) ?? 0);
    const info = tf.slice_util.sliceInfo(
      [...call.shape(0)],
      Array.from(call.values(1)),
      Array.from(call.values(2)),
      Array.from(call.values(3)),
      mask('begin_mask'),
      mask('end_mask'),
      mask('ellipsis_mask'),
      mask('new_axis_mask'),
      mask('shrink_axis_mask'),
    );
    return (
      info.isIdentity ||
      ((info.sliceDim0 || info.isSimpleSlice) &&
        inOnePiece(
          call,
          info.begin,
          tf.slice_util.computeOutShape(info.begin, info.end, info.strides),
        ))
    );
  },
};

/** Kernels whose output has a type of its own here. */
const TYPES: Record<string, number> = {FloorDiv: INT32, Mean: FLOAT};

/** Kernels that give out fewer tensors than TensorFlow's operation. */
const COUNTS: Record<string, number> = {NonMaxSuppressionV5: 2};

/** True when a rule tells the sizes of this kernel of the JavaScript engine. */
export function hasJavaScriptRule(kernel: string): boolean {
  return kernel in SAID || hasRule(kernel);
}

/** The outputs that a kernel of the JavaScript engine will have; null where only running tells. */
export function javascriptOutputs(
  kernel: string,
  inputs: Inputs,
  attributes: Attributes,
): Output[] | null {
  const said = SAID[kernel]?.(inputs, attributes) ?? {operands: Object.values(inputs)};
  const call = new JavaScriptCall(said.op ?? kernel, said.operands, said.attributes ?? {});
  const outputs = outputsOf(call);
  if (!outputs) return null;
  return outputs.slice(0, COUNTS[kernel]).map((output, index) => {
    const told: Output = {...output, type: TYPES[kernel] ?? output.type, from: undefined};
    if (SHARING[call.op]?.(call, output, index)) told.from = 0;
    return told;
  });
}
