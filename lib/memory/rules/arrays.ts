/**
 * Outputs of operations that cut, join, move and pick elements, of matrix products,
 * and when they share their input's buffer.
 *
 * What shares was tried against TensorFlow's own pointers (tests/memory/sharing.test.ts holds it
 * so).
 */
import * as tf from '@tensorflow/tfjs';
import {CACHE_LINE_BYTES} from '../../base/cacheLine';
import {Call, integer, integers, Output, Rule, typeOf} from '../call';
import {elementBytes, elements, INT32, INT64} from '../elementTypes';
import {broadcast, sharing} from './elementwise';

const positive = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);
/**
 * TensorFlow shares a slice along the first dim if its edges fall on multiples of a cache line (its
 * EIGEN_MAX_ALIGN_BYTES).
 */
const aligned = (count: number, type: number) =>
  (count * elementBytes(type)) % CACHE_LINE_BYTES === 0;
const same = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((dim, i) => dim === b[i]);
const sameSize = (call: Call, output: Output) => elements(output.shape) === elements(call.shape(0));

/** True when rows of the first dim are aligned, so that any run of them can be shared. */
function rowsAligned(shape: readonly number[], type: number): boolean {
  return shape.length > 0 && shape[0] > 0 && aligned(elements(shape) / shape[0], type);
}

/** True when rows `start` to `end` of the first dim can be shared. */
function cutAligned(shape: readonly number[], type: number, start: number, end: number): boolean {
  return shape.length === 1 ? aligned(start, type) && aligned(end, type) : rowsAligned(shape, type);
}

function slice(call: Call): Output {
  const input = call.shape(0);
  const begin = integers(call, 1);
  const shape = integers(call, 2).map((size, i) => (size < 0 ? input[i] - begin[i] : size));
  const type = call.type(0);
  const onlyRows = input.length > 0 && input.every((dim, i) => i === 0 || shape[i] === dim);
  // Of a vector TensorFlow asks that the size, not the end, is aligned.
  const shared = same(input, shape) || (onlyRows && cutAligned(input, type, begin[0], shape[0]));
  return shared ? {shape, type, from: 0} : {shape, type};
}

function stridedSlice(call: Call): Output {
  const input = [...call.shape(0)];
  const mask = (name: string) => Number(call.attribute(name) ?? 0);
  const info = tf.slice_util.sliceInfo(
    input,
    integers(call, 1),
    integers(call, 2),
    integers(call, 3),
    mask('begin_mask'),
    mask('end_mask'),
    mask('ellipsis_mask'),
    mask('new_axis_mask'),
    mask('shrink_axis_mask'),
  );
  const type = call.type(0);
  const shared =
    info.isIdentity || (info.sliceDim0 && cutAligned(input, type, info.begin[0], info.end[0]));
  return shared ? {shape: info.finalShape, type, from: 0} : {shape: info.finalShape, type};
}

/** Parts of an input along `dim`, `sizes` rows each. */
function parts(call: Call, input: number, dim: number, sizes: number[], shared: boolean): Output[] {
  const type = call.type(input);
  return sizes.map((size) => {
    const shape = call.shape(input).map((extent, i) => (i === dim ? size : extent));
    return shared ? {shape, type, from: input} : {shape, type};
  });
}

/** Inputs: what to split, the sizes (-1: what is left over), the axis. */
function splitV(call: Call): Output[] {
  const shape = call.shape(0);
  const type = call.type(0);
  const dim = positive(integer(call, 2), shape.length);
  const asked = integers(call, 1);
  const known = asked.reduce((sum, size) => sum + Math.max(0, size), 0);
  const sizes = asked.map((size) => (size < 0 ? shape[dim] - known : size));
  const cut =
    shape.length === 1 ? sizes.every((size) => aligned(size, type)) : rowsAligned(shape, type);
  return parts(call, 0, dim, sizes, sizes.length === 1 || (dim === 0 && cut));
}

/** Inputs: the axis, what to split in equal parts. */
function split(call: Call): Output[] {
  const shape = call.shape(1);
  const dim = positive(integer(call, 0), shape.length);
  const count = Number(call.attribute('num_split'));
  const sizes = Array.from({length: count}, () => shape[dim] / count);
  return parts(call, 1, dim, sizes, count === 1 || (dim === 0 && rowsAligned(shape, call.type(1))));
}

function unpack(call: Call): Output[] {
  const input = call.shape(0);
  const axis = positive(Number(call.attribute('axis') ?? 0), input.length);
  const shape = input.filter((_, i) => i !== axis);
  const type = call.type(0);
  const shared = axis === 0 && rowsAligned(input, type);
  return Array.from({length: input[axis]}, () => (shared ? {shape, type, from: 0} : {shape, type}));
}

function pack(call: Call): Output {
  const shape = [...call.shape(0)];
  shape.splice(positive(Number(call.attribute('axis') ?? 0), shape.length + 1), 0, call.count);
  return {shape, type: call.type(0)};
}

function concat(call: Call): Output {
  const shape = [...call.shape(0)];
  const axis = positive(integer(call, call.count - 1), shape.length);
  shape[axis] = 0;
  for (let i = 0; i < call.count - 1; i++) shape[axis] += call.shape(i)[axis];
  return {shape, type: call.type(0)};
}

function transpose(call: Call): Output {
  const input = call.shape(0);
  const order = integers(call, 1);
  const moved = order.filter((dim) => input[dim] !== 1);
  const shape = order.map((dim) => input[dim]);
  const type = call.type(0);
  // Only dims of size 1 change places: the elements stay where they are.
  return moved.every((dim, i) => i === 0 || moved[i - 1] < dim)
    ? {shape, type, from: 0}
    : {shape, type};
}

function reshape(call: Call): Output {
  const shape = integers(call, 1);
  const rest = shape.indexOf(-1);
  if (rest >= 0)
    shape[rest] = elements(call.shape(0)) / elements(shape.map((dim) => (dim === -1 ? 1 : dim)));
  return {shape, type: call.type(0), from: 0};
}

function pad(call: Call): Output {
  const paddings = integers(call, 1);
  return {
    shape: call.shape(0).map((dim, i) => dim + paddings[2 * i] + paddings[2 * i + 1]),
    type: call.type(0),
  };
}

function gather(call: Call): Output {
  const params = call.shape(0);
  const indices = call.shape(1);
  const axis = call.count > 2 ? positive(integer(call, 2), params.length) : 0;
  const batch = positive(Number(call.attribute('batch_dims') ?? 0), indices.length);
  return {
    shape: [...params.slice(0, axis), ...indices.slice(batch), ...params.slice(axis + 1)],
    type: call.type(0),
  };
}

function gatherNd(call: Call): Output {
  const indices = call.shape(1);
  const depth = indices[indices.length - 1];
  return {shape: [...indices.slice(0, -1), ...call.shape(0).slice(depth)], type: call.type(0)};
}

function blocks(call: Call, into: boolean): Output {
  const input = call.shape(0);
  const sizes = integers(call, 1);
  const edges = integers(call, 2);
  const product = elements(sizes);
  const shape = input.map((dim, i) => {
    if (i === 0) return into ? dim * product : dim / product;
    if (i > sizes.length) return dim;
    const edge = edges[2 * i - 2] + edges[2 * i - 1];
    return into ? (dim + edge) / sizes[i - 1] : dim * sizes[i - 1] - edge;
  });
  const output: Output = {shape, type: call.type(0)};
  if (sizes.every((size) => size === 1) && edges.every((edge) => edge === 0)) output.from = 0;
  return output;
}

function depthToSpace(call: Call): Output {
  const size = Number(call.attribute('block_size'));
  const [batch, a, b, c] = call.shape(0);
  const shape =
    call.attribute('data_format') === 'NCHW'
      ? [batch, a / size ** 2, b * size, c * size]
      : [batch, a * size, b * size, c / size ** 2];
  return {shape, type: call.type(0)};
}

function oneHot(call: Call): Output {
  const shape = [...call.shape(0)];
  shape.splice(
    positive(Number(call.attribute('axis') ?? -1), shape.length + 1),
    0,
    integer(call, 1),
  );
  return {shape, type: typeOf(call, 'T', 2)};
}

function topK(call: Call): Output[] {
  const shape = [...call.shape(0).slice(0, -1), integer(call, 1)];
  return [
    {shape, type: call.type(0)},
    {shape, type: INT32},
  ];
}

function unique(call: Call): Output[] {
  const input = call.shape(0);
  const axis =
    call.count > 1 && call.values(1).length > 0 ? positive(integer(call, 1), input.length) : 0;
  return [
    {shape: input, type: call.type(0), atMost: true},
    {shape: [input[axis]], type: INT32},
  ];
}

/** Products of matrices in the last two dims; the dims before them stretch. */
const matrixProduct =
  (first: string, second: string): Rule =>
  (call) => {
    const [a, b] = [call.shape(0), call.shape(1)];
    const rows = a[a.length - (call.attribute(first) ? 1 : 2)];
    const columns = b[b.length - (call.attribute(second) ? 2 : 1)];
    return {
      shape: [...broadcast(a.slice(0, -2), b.slice(0, -2)), rows, columns],
      type: call.type(0),
    };
  };

function einsum(call: Call): Output | null {
  const equation = String(call.attribute('equation')).replace(/\s/g, '');
  const [left, right] = equation.split('->');
  if (right === undefined || equation.includes('.')) return null;
  const sizes = new Map<string, number>();
  const terms = left.split(',');
  terms.forEach((term, i) =>
    [...term].forEach((label, dim) => sizes.set(label, call.shape(i)[dim])),
  );
  const output: Output = {
    shape: [...right].map((label) => sizes.get(label) ?? 1),
    type: call.type(0),
  };
  if (terms.length === 1 && left === right && new Set(left).size === left.length) output.from = 0;
  return output;
}

export const arrays: Record<string, Rule> = {
  Slice: slice,
  StridedSlice: stridedSlice,
  SplitV: splitV,
  Split: split,
  Unpack: unpack,
  Pack: sharing(pack, (call) => call.count === 1),
  ConcatV2: concat,
  Transpose: transpose,
  Reshape: reshape,
  ExpandDims: (call) => {
    const shape = [...call.shape(0)];
    shape.splice(positive(integer(call, 1), shape.length + 1), 0, 1);
    return {shape, type: call.type(0), from: 0};
  },
  Squeeze: (call) => {
    const shape = call.shape(0);
    const axes = ((call.attribute('squeeze_dims') as number[] | undefined) ?? []).map((axis) =>
      positive(axis, shape.length),
    );
    return {
      shape: shape.filter((dim, i) => (axes.length ? !axes.includes(i) : dim !== 1)),
      type: call.type(0),
      from: 0,
    };
  },
  Identity: (call) => ({shape: call.shape(0), type: call.type(0), from: 0}),
  // Its output is its first input, into which the others were written.
  InplaceUpdate: (call) => ({shape: call.shape(0), type: call.type(0), from: 0}),
  StopGradient: (call) => ({shape: call.shape(0), type: call.type(0), from: 0}),
  PadV2: sharing(pad, sameSize),
  Pad: sharing(pad, sameSize),
  MirrorPad: sharing(pad, sameSize),
  Tile: sharing((call) => {
    const times = integers(call, 1);
    return {shape: call.shape(0).map((dim, i) => dim * times[i]), type: call.type(0)};
  }, sameSize),
  BroadcastTo: sharing(
    (call) => ({shape: integers(call, 1), type: call.type(0)}),
    (call, output) => same(call.shape(0), output.shape),
  ),
  ReverseV2: sharing(
    (call) => ({shape: call.shape(0), type: call.type(0)}),
    (call) => call.shape(0).length === 0,
  ),
  GatherV2: gather,
  GatherNd: gatherNd,
  ScatterNd: (call) => ({shape: integers(call, 2), type: call.type(1)}),
  TensorScatterUpdate: (call) => ({shape: call.shape(0), type: call.type(0)}),
  SparseToDense: (call) => ({shape: integers(call, 1), type: call.type(2)}),
  UnsortedSegmentSum: (call) => ({
    shape: [integer(call, 2), ...call.shape(0).slice(call.shape(1).length)],
    type: call.type(0),
  }),
  SpaceToBatchND: (call) => blocks(call, true),
  BatchToSpaceND: (call) => blocks(call, false),
  DepthToSpace: depthToSpace,
  OneHot: oneHot,
  TopKV2: topK,
  UniqueV2: unique,
  Bincount: (call) => ({shape: [integer(call, 1)], type: call.type(2)}),
  DenseBincount: (call) => ({
    shape: [...call.shape(0).slice(0, -1), integer(call, 1)],
    type: call.type(2),
  }),
  Diag: (call) => ({shape: [...call.shape(0), ...call.shape(0)], type: call.type(0)}),
  Where: (call) => ({
    shape: [elements(call.shape(0)), call.shape(0).length],
    type: INT64,
    atMost: true,
  }),
  BroadcastArgs: (call) => ({
    shape: [Math.max(call.shape(0)[0] ?? 0, call.shape(1)[0] ?? 0)],
    type: call.type(0),
  }),
  Shape: (call) => ({shape: [call.shape(0).length], type: typeOf(call, 'out_type')}),
  MatMul: matrixProduct('transpose_a', 'transpose_b'),
  _MklMatMul: matrixProduct('transpose_a', 'transpose_b'),
  BatchMatMul: matrixProduct('adj_x', 'adj_y'),
  BatchMatMulV2: matrixProduct('adj_x', 'adj_y'),
  _FusedMatMul: matrixProduct('transpose_a', 'transpose_b'),
  Einsum: einsum,
};
