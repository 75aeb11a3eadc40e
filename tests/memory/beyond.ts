/**
 * Operations of TensorFlow that tfjs's kernels do not issue and a faster kernel might: each has a
 * rule, and each is tried.
 */
import type * as Tf from '@tensorflow/tfjs';
import type {Exercise} from './exercises';

type Engine = typeof Tf;
interface Backend {
  executeMultipleOutputs(
    op: string,
    attributes: unknown[],
    inputs: Tf.Tensor[],
    outputs: number,
  ): Tf.Tensor[];
}

const [STRING, INT, FLOAT, BOOL, TYPE] = [0, 1, 2, 3, 4];
const type = (name: string, value = 1) => ({name, type: TYPE, value});
const T = type('T');
const INT32 = 3;

export function beyondExercises(tf: Engine): Exercise[] {
  const backend = tf.backend() as unknown as Backend;
  const t = (...shape: number[]) => tf.ones(shape);
  const ints = (...values: number[]) => tf.tensor1d(values, 'int32');
  const int = (value: number) => tf.scalar(value, 'int32');
  const run = (op: string, attributes: unknown[], inputs: Tf.Tensor[], outputs = 1) =>
    backend.executeMultipleOutputs(op, attributes, inputs, outputs);
  const image = () => t(2, 4, 6, 3);
  const unary = ['Inv', 'LogSoftmax', 'Rint', 'Softsign'];
  const gradients = [
    'InvGrad',
    'ReciprocalGrad',
    'RsqrtGrad',
    'SigmoidGrad',
    'SqrtGrad',
    'TanhGrad',
    'ReluGrad',
    'Relu6Grad',
    'SeluGrad',
    'SoftplusGrad',
    'SoftsignGrad',
    'LeakyReluGrad',
    'EluGrad',
  ];
  const norm = [
    T,
    type('U'),
    {name: 'epsilon', type: FLOAT, value: 0.001},
    {name: 'data_format', type: STRING, value: 'NHWC'},
    {name: 'is_training', type: BOOL, value: true},
  ];
  const window = (op: string): [string, unknown[], Tf.Tensor[]] => [
    op,
    [
      T,
      {name: 'ksize', type: INT, value: [1, 2, 2, 1]},
      {name: 'strides', type: INT, value: [1, 2, 2, 1]},
      {name: 'padding', type: STRING, value: 'VALID'},
      {name: 'data_format', type: STRING, value: 'NHWC'},
    ],
    [image()],
  ];
  const cases: Record<string, () => unknown> = {
    'unary operations': () => unary.map((op) => run(op, [T], [t(3, 4)])),
    'their gradients': () => gradients.map((op) => run(op, [T], [t(3, 4), t(3, 4)])),
    'binary operations': () => [
      ...['AddV2', 'Div', 'DivNoNan', 'MulNoNan', 'Mod', 'Xdivy', 'Xlogy'].map((op) =>
        run(op, [T], [t(3, 1), t(4)]),
      ),
      ...['TruncateDiv', 'TruncateMod'].map((op) =>
        run(op, [type('T', INT32)], [ints(7, 8), int(2)]),
      ),
    ],
    bits: () =>
      ['BitwiseAnd', 'BitwiseOr', 'BitwiseXor', 'LeftShift', 'RightShift']
        .map((op) => run(op, [type('T', INT32)], [ints(1, 2, 3), ints(1)]))
        .concat([run('Invert', [type('T', INT32)], [ints(1, 2)])]),
    choices: () => [
      run('SelectV2', [T], [t(3, 1).toBool(), t(4), tf.scalar(0)]),
      run('ClipByValue', [T], [t(3), tf.scalar(0), tf.scalar(1)]),
    ],
    shapes: () => [
      run('Squeeze', [T, {name: 'squeeze_dims', type: INT, value: [0]}], [t(1, 3, 1)]),
      run('Squeeze', [T], [t(1, 3, 1)]),
      run('Identity', [T], [t(3)]),
      run('StopGradient', [T], [t(3)]),
      run('Shape', [T, type('out_type', INT32)], [t(3, 4)]),
      run('BroadcastTo', [T, type('Tidx', INT32)], [t(8), ints(4, 8)]),
      run('BroadcastTo', [T, type('Tidx', INT32)], [t(8), ints(8)]),
      run(
        'Pad',
        [T, type('Tpaddings', INT32)],
        [
          t(3, 4),
          tf.tensor2d(
            [
              [1, 0],
              [0, 2],
            ],
            [2, 2],
            'int32',
          ),
        ],
      ),
    ],
    'split in equal parts': () => [
      run('Split', [T, {name: 'num_split', type: INT, value: 2}], [int(1), t(4, 6)], 2),
      run('Split', [T, {name: 'num_split', type: INT, value: 2}], [int(0), t(4, 16)], 2),
      run('Split', [T, {name: 'num_split', type: INT, value: 2}], [int(0), t(64)], 2),
      run('Split', [T, {name: 'num_split', type: INT, value: 1}], [int(0), t(5)], 1),
    ],
    'random numbers': () => [
      ...['RandomUniform', 'RandomStandardNormal', 'TruncatedNormal'].map((op) =>
        run(op, [type('dtype'), type('T', INT32)], [ints(3, 4)]),
      ),
      ...['StatelessRandomUniform', 'StatelessRandomNormal', 'StatelessTruncatedNormal'].map((op) =>
        run(op, [type('dtype'), type('T', INT32), type('Tseed', INT32)], [ints(3, 4), ints(1, 2)]),
      ),
      run('RandomUniformInt', [type('Tout', INT32), type('T', INT32)], [ints(5), int(0), int(9)]),
    ],
    products: () => [
      run(
        'MatMul',
        [
          T,
          {name: 'transpose_a', type: BOOL, value: true},
          {name: 'transpose_b', type: BOOL, value: false},
        ],
        [t(3, 4), t(3, 5)],
      ),
      run(
        'BatchMatMul',
        [T, {name: 'adj_x', type: BOOL, value: false}, {name: 'adj_y', type: BOOL, value: true}],
        [t(2, 3, 4), t(2, 5, 4)],
      ),
    ],
    bias: () => [
      run('BiasAdd', [T], [image(), t(3)]),
      run('BiasAddGrad', [T], [image()]),
      run('BiasAddGrad', [T, {name: 'data_format', type: STRING, value: 'NHWC'}], [t(4, 5)]),
    ],
    losses: () => [
      run('L2Loss', [T], [t(3, 4)]),
      run('SoftmaxCrossEntropyWithLogits', [T], [t(3, 4), t(3, 4)], 2),
      run(
        'SparseSoftmaxCrossEntropyWithLogits',
        [T, type('Tlabels', INT32)],
        [t(3, 4), ints(0, 1, 2)],
        2,
      ),
    ],
    reductions: () => [
      run(
        'EuclideanNorm',
        [T, type('Tidx', INT32), {name: 'keep_dims', type: BOOL, value: false}],
        [t(3, 4), ints(1)],
      ),
    ],
    'batch norm': () => {
      const [scale, offset, none] = [t(3), t(3), tf.tensor1d([])];
      run('FusedBatchNormV2', norm, [image(), scale, offset, none, none], 5);
      const outputs = run('FusedBatchNormV3', norm, [image(), scale, offset, none, none], 6);
      run(
        'FusedBatchNormGradV3',
        norm,
        [image(), image(), scale, outputs[3], outputs[4], outputs[5]],
        5,
      );
      run(
        'FusedBatchNormGrad',
        norm.filter(({name}) => name !== 'U'),
        [image(), image(), scale, outputs[3], outputs[4]],
        5,
      );
    },
    pools: () => [run(...window('MaxPool')), run(...window('AvgPool'))],
    where: () =>
      run(
        'Where',
        [],
        [
          tf.tensor2d(
            [
              [1, 0],
              [1, 1],
            ],
            [2, 2],
            'bool',
          ),
        ],
      ),
    counts: () =>
      run(
        'DenseBincount',
        [T, type('Tidx', INT32), {name: 'binary_output', type: BOOL, value: false}],
        [ints(1, 2), int(5), t(2)],
      ),
  };
  return Object.entries(cases).map(([name, body]) => ({
    name: `beyond tfjs: ${name}`,
    run: () => tf.tidy(() => void body()),
  }));
}
