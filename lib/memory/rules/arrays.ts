/**
 * Outputs of operations that rearrange, pad and pick elements, of matrix products, and
 * when they share their input's buffer.
 *
 * What shares was compared with TensorFlow's own pointers (tests/memory/beyond.ts repeats that).
 */
import {type Call, integer, integers, type Output, type Rule, typeOf} from '../call';
import {elements, INT32, INT64} from '../elementTypes';
import {broadcast, positiveAxis, sameShape, sharing} from './elementwise';

const sameSize = (call: Call, output: Output) => elements(output.shape) === elements(call.shape(0));

function transpose(call: Call): Output {
  const input = call.shape(0);
  const order = integers(call, 1);
  const moved = order.filter((dim) => input[dim] !== 1);
  const shape = order.map((dim) => input[dim]);
  const type = call.type(0);
  // If only dims of size 1 move, the elements stay where they are.
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
  const axis = call.count > 2 ? positiveAxis(integer(call, 2), params.length) : 0;
  const batch = positiveAxis(Number(call.attribute('batch_dims') ?? 0), indices.length);
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

/** SpaceToBatchND, or its inverse. */
function spaceBatch(call: Call, toBatch: boolean): Output {
  const input = call.shape(0);
  const sizes = integers(call, 1);
  const edges = integers(call, 2);
  const product = elements(sizes);
  const shape = input.map((dim, i) => {
    if (i === 0) return toBatch ? dim * product : dim / product;
    if (i > sizes.length) return dim;
    const edge = edges[2 * i - 2] + edges[2 * i - 1];
    return toBatch ? (dim + edge) / sizes[i - 1] : dim * sizes[i - 1] - edge;
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
    positiveAxis(Number(call.attribute('axis') ?? -1), shape.length + 1),
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
    call.count > 1 && call.values(1).length > 0 ? positiveAxis(integer(call, 1), input.length) : 0;
  return [
    {shape: input, type: call.type(0), atMost: true},
    {shape: [input[axis]], type: INT32},
  ];
}

/** Products of matrices in the last two dims; the dims before them broadcast. */
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
    // TensorFlow leaves out a dim that no input has.
    shape: [...right].flatMap((label) => sizes.get(label) ?? []),
    type: call.type(0),
  };
  if (terms.length === 1 && left === right && new Set(left).size === left.length) output.from = 0;
  return output;
}

export const arrays: Record<string, Rule> = {
  Transpose: transpose,
  Reshape: reshape,
  ExpandDims: (call) => {
    const shape = [...call.shape(0)];
    shape.splice(positiveAxis(integer(call, 1), shape.length + 1), 0, 1);
    return {shape, type: call.type(0), from: 0};
  },
  Squeeze: (call) => {
    const shape = call.shape(0);
    const axes = ((call.attribute('squeeze_dims') as number[] | undefined) ?? []).map((axis) =>
      positiveAxis(axis, shape.length),
    );
    return {
      shape: shape.filter((dim, i) => (axes.length ? !axes.includes(i) : dim !== 1)),
      type: call.type(0),
      from: 0,
    };
  },
  Identity: (call) => ({shape: call.shape(0), type: call.type(0), from: 0}),
  // Writes the other inputs into the first one, which is its output.
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
    (call, output) => sameShape(call.shape(0), output.shape),
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
  SpaceToBatchND: (call) => spaceBatch(call, true),
  BatchToSpaceND: (call) => spaceBatch(call, false),
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
