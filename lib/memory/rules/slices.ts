/**
 * Outputs of operations that slice, split and join arrays along a dim, and when they
 * share their input's buffer.
 *
 * What shares was compared with TensorFlow's own pointers (tests/memory/sharing.test.ts repeats
 * that).
 */
import * as tf from '@tensorflow/tfjs';
import {type Call, integer, integers, type Output, type Rule} from '../call';
import {elementBytes, elements} from '../elementTypes';
import {positiveAxis, sameShape, sharing} from './elementwise';

/**
 * TensorFlow shares a slice of the first dim if its bounds are multiples of this many bytes (its
 * EIGEN_MAX_ALIGN_BYTES).
 */
const ALIGNMENT = 64;

const aligned = (count: number, type: number) => (count * elementBytes(type)) % ALIGNMENT === 0;

/** True when rows of the first dim are aligned, so that any run of them can be shared. */
function rowsAligned(shape: readonly number[], type: number): boolean {
  return shape.length > 0 && shape[0] > 0 && aligned(elements(shape) / shape[0], type);
}

/** True when rows `start` to `end` of the first dim can be shared. */
function boundsAligned(
  shape: readonly number[],
  type: number,
  start: number,
  end: number,
): boolean {
  return shape.length === 1 ? aligned(start, type) && aligned(end, type) : rowsAligned(shape, type);
}

function slice(call: Call): Output {
  const input = call.shape(0);
  const begin = integers(call, 1);
  const shape = integers(call, 2).map((size, i) => (size < 0 ? input[i] - begin[i] : size));
  const type = call.type(0);
  const onlyRows = input.length > 0 && input.every((dim, i) => i === 0 || shape[i] === dim);
  // For a vector, TensorFlow requires an aligned size, not an aligned end.
  const shared =
    sameShape(input, shape) || (onlyRows && boundsAligned(input, type, begin[0], shape[0]));
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
    info.isIdentity || (info.sliceDim0 && boundsAligned(input, type, info.begin[0], info.end[0]));
  return shared ? {shape: info.finalShape, type, from: 0} : {shape: info.finalShape, type};
}

/** Pieces of an input along `dim`, `sizes` rows each. */
function pieces(
  call: Call,
  input: number,
  dim: number,
  sizes: number[],
  shared: boolean,
): Output[] {
  const type = call.type(input);
  return sizes.map((size) => {
    const shape = call.shape(input).map((extent, i) => (i === dim ? size : extent));
    return shared ? {shape, type, from: input} : {shape, type};
  });
}

/** Inputs: what to split, the sizes (-1: the rest), the axis. */
function splitV(call: Call): Output[] {
  const shape = call.shape(0);
  const type = call.type(0);
  const dim = positiveAxis(integer(call, 2), shape.length);
  const asked = integers(call, 1);
  const known = asked.reduce((sum, size) => sum + Math.max(0, size), 0);
  const sizes = asked.map((size) => (size < 0 ? shape[dim] - known : size));
  const rowsShared =
    shape.length === 1 ? sizes.every((size) => aligned(size, type)) : rowsAligned(shape, type);
  return pieces(call, 0, dim, sizes, sizes.length === 1 || (dim === 0 && rowsShared));
}

/** Inputs: the axis, what to split into equal parts. */
function split(call: Call): Output[] {
  const shape = call.shape(1);
  const dim = positiveAxis(integer(call, 0), shape.length);
  const count = Number(call.attribute('num_split'));
  const sizes = Array.from({length: count}, () => shape[dim] / count);
  return pieces(
    call,
    1,
    dim,
    sizes,
    count === 1 || (dim === 0 && rowsAligned(shape, call.type(1))),
  );
}

function unpack(call: Call): Output[] {
  const input = call.shape(0);
  const axis = positiveAxis(Number(call.attribute('axis') ?? 0), input.length);
  const shape = input.filter((_, i) => i !== axis);
  const type = call.type(0);
  const shared = axis === 0 && rowsAligned(input, type);
  return Array.from({length: input[axis]}, () => (shared ? {shape, type, from: 0} : {shape, type}));
}

function pack(call: Call): Output {
  const shape = [...call.shape(0)];
  shape.splice(positiveAxis(Number(call.attribute('axis') ?? 0), shape.length + 1), 0, call.count);
  return {shape, type: call.type(0)};
}

function concat(call: Call): Output {
  const shape = [...call.shape(0)];
  const axis = positiveAxis(integer(call, call.count - 1), shape.length);
  shape[axis] = 0;
  for (let i = 0; i < call.count - 1; i++) shape[axis] += call.shape(i)[axis];
  return {shape, type: call.type(0)};
}

export const slices: Record<string, Rule> = {
  Slice: slice,
  StridedSlice: stridedSlice,
  SplitV: splitV,
  Split: split,
  Unpack: unpack,
  Pack: sharing(pack, (call) => call.count === 1),
  ConcatV2: concat,
};
