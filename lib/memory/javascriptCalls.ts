/**
 * Predicts the outputs of a kernel call of tfjs's JavaScript engine with the rules for
 * TensorFlow's operations, so that one set of rules serves both engines.
 */
import * as tf from '@tensorflow/tfjs';
import type {Call, Output} from './call';
import {elements, FLOAT, INT32, typeName, typeNumber} from './elementTypes';
import {
  TRANSLATIONS,
  type Attributes,
  type Inputs,
  type Operand,
  type TranslatedCall,
} from './javascriptTranslations';
import {hasRule, outputsOf} from './outputShapes';

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

type Shares = (call: Call, output: Output, index: number) => boolean;
const always: Shares = () => true;
const asPredicted: Shares = (_, output) => output.from !== undefined;
const isContiguous = (call: Call, begin: number[], size: readonly number[]): boolean =>
  tf.slice_util.isSliceContinous([...call.shape(0)], begin, [...size]);
const windowOfOne: Shares = (call, output) =>
  (call.attribute('ksize') as number[]).every((size) => size === 1) &&
  output.shape.every((dim, i) => dim === call.shape(0)[i]);
const contiguousPiece: Shares = (call, _, index) => {
  const size = [...call.shape(0)];
  if (call.op === 'SplitV') size[call.values(2)[0]] = call.values(1)[index];
  else size[Number(call.attribute('axis') ?? 0)] = 1;
  return isContiguous(
    call,
    size.map(() => 0),
    size,
  );
};

/**
 * When an output of the JavaScript engine shares its input's memory: for the same values under
 * another shape or type, and for contiguous slices.
 */
const SHARING: Record<string, Shares> = {
  Identity: always,
  Reshape: always,
  ExpandDims: always,
  Complex: always,
  Real: always,
  Imag: always,
  TensorScatterUpdate: always,
  Einsum: asPredicted,
  SplitV: contiguousPiece,
  Unpack: contiguousPiece,
  AvgPool: windowOfOne,
  MaxPool: windowOfOne,
  Pack: (call) => call.count === 1,
  ConcatV2: (call) =>
    Array.from({length: call.count - 1}, (_, i) => elements(call.shape(i))).filter(
      (size) => size > 0,
    ).length === 1,
  Cast: (call, output) => !tf.util.hasEncodingLoss(typeName(call.type(0)), typeName(output.type)),
  Slice: (call, output) => isContiguous(call, Array.from(call.values(1)), output.shape),
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
        isContiguous(
          call,
          info.begin,
          tf.slice_util.computeOutShape(info.begin, info.end, info.strides),
        ))
    );
  },
};

/** Kernels whose output has another type than TensorFlow's. */
const TYPES: Record<string, number> = {
  FloorDiv: INT32,
  Mean: FLOAT,
  Exp: FLOAT,
  LeakyRelu: FLOAT,
  Prelu: FLOAT,
};

/** Kernels that return fewer tensors than TensorFlow's operation. */
const COUNTS: Record<string, number> = {NonMaxSuppressionV5: 2};

/** Whether a rule predicts the sizes of this kernel of the JavaScript engine. */
export function hasJavaScriptRule(kernel: string): boolean {
  return kernel in TRANSLATIONS || hasRule(kernel);
}

/** The outputs that a kernel of the JavaScript engine will have; null if only running it tells. */
export function javascriptOutputs(
  kernel: string,
  inputs: Inputs,
  attributes: Attributes,
): Output[] | null {
  const translated: TranslatedCall = TRANSLATIONS[kernel]?.(inputs, attributes) ?? {
    operands: Object.values(inputs),
  };
  const {op = kernel, operands, attributes: translatedAttributes = {}} = translated;
  const call = new JavaScriptCall(op, operands, translatedAttributes);
  const outputs = outputsOf(call);
  if (!outputs) return null;
  return outputs.slice(0, COUNTS[kernel]).map((output, index) => {
    const predicted: Output = {...output, type: TYPES[kernel] ?? output.type, from: undefined};
    if (SHARING[call.op]?.(call, output, index)) predicted.from = 0;
    return predicted;
  });
}
