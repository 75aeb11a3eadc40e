/**
 * Outputs of elementwise operations, of reductions, and of operations that create
 * values.
 */
import {type Call, integer, integers, type Output, type Rule, typeOf} from '../call';
import {BOOL, COMPLEX64, FLOAT, INT32} from '../elementTypes';

/** The shape to which two shapes broadcast, by NumPy's rules. */
export function broadcast(a: readonly number[], b: readonly number[]): readonly number[] {
  const [long, short] = a.length < b.length ? [b, a] : [a, b];
  if (short.length === 0) return long;
  const shift = long.length - short.length;
  return long.map((dim, i) => (i < shift || dim !== 1 ? dim : short[i - shift]));
}

/** An axis counted from the front. */
export const positiveAxis = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);

export const sameShape = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((dim, i) => dim === b[i]);

const like =
  (input: number): Rule =>
  (call) => ({shape: call.shape(input), type: call.type(input)});
const likeWithType =
  (type: number): Rule =>
  (call) => ({shape: call.shape(0), type});
const binary: Rule = (call) => ({
  shape: broadcast(call.shape(0), call.shape(1)),
  type: call.type(0),
});
const comparison: Rule = (call) => ({shape: broadcast(call.shape(0), call.shape(1)), type: BOOL});

/** The rule, whose output shares the first input's buffer if `shares` says so. */
export function sharing(
  rule: (call: Call) => Output,
  shares: (call: Call, output: Output) => boolean,
): Rule {
  return (call) => {
    const output = rule(call);
    return shares(call, output) ? {...output, from: 0} : output;
  };
}

/** `shape` without `axes`, or with ones in their place. */
function reducedShape(shape: readonly number[], axes: readonly number[], keep: boolean): number[] {
  const result: number[] = [];
  for (let i = 0; i < shape.length; i++) {
    if (!axes.includes(i)) result.push(shape[i]);
    else if (keep) result.push(1);
  }
  return result;
}

/**
 * A reduction over the axes in its second input; if it only drops dims of size 1, its output is its
 * input's buffer.
 */
function reduction(type?: number): Rule {
  return (call) => {
    const shape = call.shape(0);
    const axes = integers(call, 1).map((axis) => positiveAxis(axis, shape.length));
    const output: Output = {
      shape: reducedShape(shape, axes, Boolean(call.attribute('keep_dims'))),
      type: type ?? call.type(0),
    };
    if (axes.every((axis) => shape[axis] === 1)) output.from = 0;
    return output;
  };
}

const argument: Rule = (call) => {
  const shape = call.shape(0);
  const axis = integer(call, 1);
  return {shape: reducedShape(shape, [positiveAxis(axis, shape.length)], false), type: INT32};
};

/** The shape is listed in an input; `attribute` names the type. */
const shapeFrom =
  (input: number, attribute: string, type?: number): Rule =>
  (call) => ({
    shape: integers(call, input),
    type: type ?? (call.attribute(attribute) as number | undefined) ?? FLOAT,
  });

function table(rule: Rule, names: string): Record<string, Rule> {
  return Object.fromEntries(
    names
      .trim()
      .split(/\s+/)
      .map((name) => [name, rule]),
  );
}

export const elementwise: Record<string, Rule> = {
  ...table(
    like(0),
    `
    Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Elu Erf Exp Expm1 Floor Inv Invert LeakyRelu Log Log1p LogSoftmax LRN Neg
    OnesLike Reciprocal Relu Relu6 Rint Round Rsqrt Selu Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Square Tan Tanh
    ZerosLike FFT IFFT Cumsum Cumprod BiasAdd ClipByValue StaticRegexReplace
    EluGrad InvGrad LeakyReluGrad ReciprocalGrad Relu6Grad ReluGrad RsqrtGrad SeluGrad SigmoidGrad SoftplusGrad SoftsignGrad
    SqrtGrad TanhGrad LRNGrad`,
  ),
  ...table(likeWithType(BOOL), 'IsFinite IsInf IsNan LogicalNot'),
  ...table(likeWithType(FLOAT), 'ComplexAbs Imag Real'),
  ...table(
    binary,
    `
    Add AddV2 Atan2 BitwiseAnd BitwiseOr BitwiseXor Div DivNoNan FloorDiv FloorMod LeftShift Maximum Minimum Mod Mul MulNoNan
    Pow RealDiv RightShift SquaredDifference Sub TruncateDiv TruncateMod Xdivy Xlogy`,
  ),
  ...table(comparison, 'Equal Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr NotEqual'),
  ...table(reduction(), 'EuclideanNorm Max Mean Min Prod Sum'),
  ...table(reduction(BOOL), 'All Any'),
  ...table(argument, 'ArgMax ArgMin'),
  ...table(
    shapeFrom(0, 'dtype'),
    'RandomStandardNormal RandomUniform StatelessRandomNormal StatelessRandomUniform StatelessTruncatedNormal TruncatedNormal',
  ),
  ...table(shapeFrom(0, 'T'), 'Fill'),
  ...table(shapeFrom(0, 'Tout'), 'RandomUniformInt'),
  AddN: sharing(
    (call) => ({shape: call.shape(0), type: call.type(0)}),
    (call) => call.count === 1,
  ),
  Cast: sharing(
    (call) => ({shape: call.shape(0), type: typeOf(call, 'DstT')}),
    (call, output) => output.type === call.type(0),
  ),
  Complex: (call) => ({shape: broadcast(call.shape(0), call.shape(1)), type: COMPLEX64}),
  Select: like(1),
  SelectV2: (call) => ({
    shape: broadcast(call.shape(0), broadcast(call.shape(1), call.shape(2))),
    type: call.type(1),
  }),
  Range: (call) => {
    const [start, limit, step] = [0, 1, 2].map((input) => Number(call.values(input)[0]));
    return {shape: [Math.max(0, Math.ceil((limit - start) / step))], type: typeOf(call, 'Tidx')};
  },
  LinSpace: (call) => ({shape: [integer(call, 2)], type: typeOf(call)}),
  Multinomial: (call) => ({
    shape: [call.shape(0)[0], integer(call, 1)],
    type: typeOf(call, 'output_dtype'),
  }),
  L2Loss: (call) => ({shape: [], type: call.type(0)}),
  SoftmaxCrossEntropyWithLogits: (call) => {
    const shape = broadcast(call.shape(0), call.shape(1));
    return [
      {shape: [shape[0]], type: call.type(0)},
      {shape, type: call.type(0)},
    ];
  },
  SparseSoftmaxCrossEntropyWithLogits: (call) => [
    {shape: [call.shape(0)[0]], type: call.type(0)},
    {shape: call.shape(0), type: call.type(0)},
  ],
};
