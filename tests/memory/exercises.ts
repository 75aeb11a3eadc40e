/**
 * Small runs of many layers, losses, optimizers and operations, forward and backward: what the
 * meter is tried on.
 */
import type * as Tf from '@tensorflow/tfjs';

type Engine = typeof Tf;
export interface Exercise {
  name: string;
  run(): unknown;
}

/** A model of these layers on inputs of this shape, one step of training. */
function layerExercise(
  tf: Engine,
  name: string,
  shape: number[],
  layers: () => Tf.layers.Layer[],
  integers = 0,
): Exercise {
  return {
    name,
    run() {
      const model = tf.sequential();
      layers().forEach((layer, i) => {
        if (i === 0) layer.batchInputShape ??= [null, ...shape];
        model.add(layer);
      });
      model.compile({optimizer: tf.train.sgd(0.01), loss: 'meanSquaredError'});
      const [xs, ys] = tf.tidy(() => [
        integers
          ? tf.randomUniform([4, ...shape], 0, integers, 'int32', 1)
          : tf.randomUniform([4, ...shape], -1, 1, 'float32', 1),
        tf.ones([4, ...(model.outputShape as number[]).slice(1)]),
      ]);
      return model.trainOnBatch(xs, ys).then(() => {
        (model.predict(xs) as Tf.Tensor).dispose();
        model.dispose();
        tf.dispose([xs, ys]);
      });
    },
  };
}

export function layerExercises(tf: Engine): Exercise[] {
  const l = tf.layers;
  const layer = (name: string, shape: number[], layers: () => Tf.layers.Layer[], integers = 0) =>
    layerExercise(tf, name, shape, layers, integers);
  const activations = [
    'relu',
    'relu6',
    'sigmoid',
    'tanh',
    'elu',
    'selu',
    'softplus',
    'softsign',
    'softmax',
    'swish',
    'mish',
    'hardSigmoid',
    'linear',
  ] as const;
  return [
    ...activations.map((activation) =>
      layer(`dense, ${activation}`, [6], () => [
        l.dense({units: 16, activation}),
        l.dense({units: 3}),
      ]),
    ),
    layer('dense on sequences', [5, 6], () => [
      l.dense({units: 4}),
      l.flatten(),
      l.dense({units: 2}),
    ]),
    layer('conv1d, pools', [12, 3], () => [
      l.conv1d({filters: 4, kernelSize: 3, padding: 'same'}),
      l.maxPooling1d({poolSize: 2}),
      l.averagePooling1d({poolSize: 2}),
      l.flatten(),
      l.dense({units: 2}),
    ]),
    layer('conv2d, valid', [9, 8, 3], () => [
      l.conv2d({filters: 5, kernelSize: [3, 2], activation: 'relu'}),
      l.maxPooling2d({poolSize: 2}),
      l.flatten(),
      l.dense({units: 2}),
    ]),
    layer('conv2d, same, strides', [9, 8, 3], () => [
      l.conv2d({filters: 5, kernelSize: 3, strides: [2, 1], padding: 'same'}),
      l.averagePooling2d({poolSize: [3, 2], strides: 2, padding: 'same'}),
      l.globalAveragePooling2d({}),
    ]),
    layer('conv2d, dilated', [11, 10, 2], () => [
      l.conv2d({filters: 3, kernelSize: 3, dilationRate: 1}),
      l.globalMaxPooling2d({}),
    ]),
    layer('conv2d transpose', [4, 4, 3], () => [
      l.conv2dTranspose({filters: 2, kernelSize: 3, strides: 2, padding: 'same'}),
    ]),
    layer('depthwise', [8, 8, 3], () => [
      l.depthwiseConv2d({kernelSize: 3, depthMultiplier: 2, padding: 'same'}),
      l.flatten(),
    ]),
    layer('separable', [8, 8, 3], () => [
      l.separableConv2d({filters: 4, kernelSize: 3, padding: 'same'}),
      l.flatten(),
    ]),
    layer('conv3d, pools', [6, 6, 6, 2], () => [
      l.conv3d({filters: 3, kernelSize: 3}),
      l.maxPooling3d({poolSize: 2}),
      l.flatten(),
    ]),
    layer('average pool 3d', [4, 4, 4, 2], () => [
      l.averagePooling3d({poolSize: 2}),
      l.flatten(),
      l.dense({units: 1}),
    ]),
    layer('cropping, padding, upsampling', [6, 6, 2], () => [
      l.zeroPadding2d({padding: 1}),
      l.cropping2D({
        cropping: [
          [1, 0],
          [0, 2],
        ],
      }),
      l.upSampling2d({size: [2, 2]}),
      l.conv2d({filters: 1, kernelSize: 2}),
    ]),
    layer('batch norm of vectors', [6], () => [
      l.dense({units: 8}),
      l.batchNormalization({}),
      l.dense({units: 1}),
    ]),
    layer('batch norm of images', [6, 6, 3], () => [
      l.conv2d({filters: 4, kernelSize: 3}),
      l.batchNormalization({}),
      l.activation({activation: 'relu'}),
      l.flatten(),
    ]),
    layer('layer norm', [5, 6], () => [l.layerNormalization({}), l.dense({units: 2})]),
    layer(
      'embedding',
      [7],
      () => [
        l.embedding({inputDim: 20, outputDim: 16, inputLength: 7}),
        l.flatten(),
        l.dense({units: 2}),
      ],
      20,
    ),
    layer('dropouts and noise', [6], () => [
      l.dense({units: 16}),
      l.dropout({rate: 0.3, seed: 3}),
      l.gaussianNoise({stddev: 0.1}),
      l.gaussianDropout({rate: 0.2}),
      l.alphaDropout({rate: 0.2}),
      l.dense({units: 2}),
    ]),
    layer('spatial dropout, permute, reshape, repeat', [4, 6], () => [
      l.dense({units: 6}),
      l.spatialDropout1d({rate: 0.2, seed: 1}),
      l.permute({dims: [2, 1]}),
      l.reshape({targetShape: [24]}),
      l.repeatVector({n: 3}),
      l.flatten(),
    ]),
    layer('advanced activations', [6], () => [
      l.dense({units: 8}),
      l.leakyReLU({}),
      l.prelu({}),
      l.elu({}),
      l.reLU({maxValue: 6}),
      l.softmax({}),
    ]),
    layer('simple RNN', [5, 4], () => [
      l.simpleRNN({units: 6, returnSequences: true}),
      l.timeDistributed({layer: l.dense({units: 2})}),
    ]),
    layer('GRU', [5, 4], () => [l.gru({units: 6}), l.dense({units: 2})]),
    layer('LSTM, bidirectional', [5, 4], () => [
      l.bidirectional({
        layer: l.lstm({units: 4, returnSequences: true}) as Tf.RNN,
        mergeMode: 'concat',
      }),
      l.lstm({units: 3}),
    ]),
    layer('masking', [5, 4], () => [l.masking({maskValue: 0}), l.lstm({units: 3})]),
    {
      name: 'several inputs, merges, regularizers, constraints',
      run() {
        const a = tf.input({shape: [6]});
        const b = tf.input({shape: [6]});
        const shared = l.dense({
          units: 6,
          kernelRegularizer: tf.regularizers.l1l2({}),
          kernelConstraint: tf.constraints.maxNorm({maxValue: 2}),
          biasRegularizer: tf.regularizers.l2({l2: 0.01}),
        });
        const [x, y] = [shared.apply(a), shared.apply(b)] as Tf.SymbolicTensor[];
        const merged = [
          l.add(),
          l.multiply(),
          l.average(),
          l.maximum(),
          l.minimum(),
          l.concatenate(),
          l.dot({axes: 1}),
        ].map((merge) => merge.apply([x, y]) as Tf.SymbolicTensor);
        const model = tf.model({
          inputs: [a, b],
          outputs: [l.concatenate().apply(merged) as Tf.SymbolicTensor, x],
        });
        const adam = tf.train.adam();
        model.compile({optimizer: adam, loss: ['meanSquaredError', 'meanAbsoluteError']});
        const xs = [tf.ones([4, 6]), tf.zeros([4, 6])];
        const ys = model.outputs.map((output) =>
          tf.ones([4, ...(output.shape.slice(1) as number[])]),
        );
        return model.trainOnBatch(xs, ys).then(() => {
          // tfjs does not dispose the weights of a layer that is applied twice.
          tf.dispose(shared.getWeights());
          model.dispose();
          adam.dispose();
          tf.dispose([xs, ys]);
        });
      },
    },
  ];
}

export function trainingExercises(tf: Engine): Exercise[] {
  const step = (
    name: string,
    optimizer: () => Tf.Optimizer,
    loss: string,
    last: 'softmax' | 'linear' | 'sigmoid',
    labels: () => Tf.Tensor,
  ): Exercise => ({
    name,
    run() {
      const model = tf.sequential({
        layers: [
          tf.layers.dense({units: 8, activation: 'relu', inputShape: [5]}),
          tf.layers.dense({units: 3, activation: last}),
        ],
      });
      const made = optimizer();
      model.compile({optimizer: made, loss, metrics: ['accuracy']});
      const xs = tf.randomUniform([6, 5], 0, 1, 'float32', 2);
      const ys = labels();
      return model
        .fit(xs, ys, {epochs: 2, batchSize: 4, verbose: 0, shuffle: true, validationSplit: 0.2})
        .then(() => {
          model.dispose();
          made.dispose();
          tf.dispose([xs, ys]);
        });
    },
  });
  const oneHot = () =>
    tf.tidy(() => tf.oneHot(tf.tensor1d([0, 1, 2, 0, 1, 2], 'int32'), 3).toFloat());
  const optimizers: [string, () => Tf.Optimizer][] = [
    ['sgd', () => tf.train.sgd(0.1)],
    ['momentum', () => tf.train.momentum(0.1, 0.9, true)],
    ['rmsprop', () => tf.train.rmsprop(0.01, 0.9, 0.5, undefined, true)],
    ['adam', () => tf.train.adam()],
    ['adamax', () => tf.train.adamax()],
    ['adadelta', () => tf.train.adadelta()],
    ['adagrad', () => tf.train.adagrad(0.1)],
  ];
  const losses: [string, 'softmax' | 'linear' | 'sigmoid', () => Tf.Tensor][] = [
    ['meanSquaredError', 'linear', oneHot],
    ['meanAbsoluteError', 'linear', oneHot],
    ['meanAbsolutePercentageError', 'linear', oneHot],
    ['meanSquaredLogarithmicError', 'sigmoid', oneHot],
    ['squaredHinge', 'linear', oneHot],
    ['hinge', 'linear', oneHot],
    ['categoricalHinge', 'linear', oneHot],
    ['logcosh', 'linear', oneHot],
    ['categoricalCrossentropy', 'softmax', oneHot],
    ['binaryCrossentropy', 'sigmoid', oneHot],
    ['kullbackLeiblerDivergence', 'softmax', oneHot],
    ['poisson', 'sigmoid', oneHot],
    ['cosineProximity', 'linear', oneHot],
    ['sparseCategoricalCrossentropy', 'softmax', () => tf.tensor2d([[0], [1], [2], [0], [1], [2]])],
  ];
  return [
    ...optimizers.map(([name, optimizer]) =>
      step(name, optimizer, 'meanSquaredError', 'linear', oneHot),
    ),
    ...losses.map(([name, last, labels]) =>
      step(name, () => tf.train.sgd(0.01), name, last, labels),
    ),
  ];
}

/**
 * Single operations, those with many cases of shape, and those that may share their input's buffer.
 */
export function operationExercises(tf: Engine): Exercise[] {
  const t = (...shape: number[]) => tf.ones(shape);
  const ints = (values: number[], ...shape: number[]) =>
    tf.tensor(values, shape.length ? shape : [values.length], 'int32');
  const cases: Record<string, () => unknown> = {
    slices: () => [
      t(4, 8).slice([0, 0], [4, 8]),
      t(16, 16).slice([1, 0], [3, 16]),
      t(8, 4).slice([1, 0], [2, 4]),
      t(16, 16).slice([0, 1], [16, -1]),
      t(64).slice(16, 16),
      t(64).slice(8, 8),
      t(64).slice(16, 10),
      t(6, 2, 8).slice([2, 0, 0], [3, 2, 8]),
    ],
    'strided slices': () => [
      tf.stridedSlice(t(4, 8), [0, 0], [4, 8], [1, 1]),
      tf.stridedSlice(t(16, 16), [2, 0], [5, 16], [1, 1]),
      tf.stridedSlice(t(16, 16), [2, 0], [3, 16], [1, 1], 0, 0, 0, 0, 1),
      tf.stridedSlice(t(4, 8), [3, 0], [0, 8], [-1, 3]),
      tf.stridedSlice(t(64), [16], [32], [1]),
      tf.stridedSlice(t(64), [4], [32], [1]),
      tf.stridedSlice(t(3, 4, 5), [1, 0], [2, 3], [1, 2], 0, 2, 1),
    ],
    splits: () => [
      t(16, 16).split(4, 0),
      t(4, 8).split(2, 0),
      t(16, 16).split(2, 1),
      t(16, 16).split(1, 1),
      t(64).split(2),
      t(64).split([16, 38, 10]),
      t(60).split(4),
      t(16, 16).split([3, 13], 0),
      t(8, 6).split([2, 6], 0),
    ],
    unstack: () => [
      t(2, 16).unstack(),
      t(2, 8).unstack(),
      t(3).unstack(),
      t(2, 3).unstack(1),
      t(2, 1, 16).unstack(1),
      t(2, 2, 8).unstack(),
      t(1, 5).unstack(),
    ],
    'stack and concat': () => [
      tf.stack([t(4, 4)]),
      tf.stack([t(2, 3), t(2, 3)], 1),
      tf.stack([t(2), t(2)], -1),
      tf.concat([t(2, 3), t(4, 3)]),
      tf.concat([t(2, 3), t(2, 5)], 1),
      tf.concat([t(4, 8), tf.zeros([0, 8])]),
    ],
    tile: () => [
      tf.tile(t(4, 8), [1, 1]),
      tf.tile(t(2, 3), [2, 3]),
      tf.broadcastTo(t(1, 8), [4, 8]),
      tf.broadcastTo(t(8), [2, 4, 8]),
    ],
    transpose: () => [
      tf.transpose(t(4, 8), [0, 1]),
      tf.transpose(t(1, 8)),
      tf.transpose(t(1, 4, 8), [1, 0, 2]),
      tf.transpose(t(2, 3, 4), [2, 0, 1]),
      tf.transpose(t(1, 8, 1, 8), [0, 2, 1, 3]),
    ],
    reverse: () => [
      tf.reverse(t(4, 8), [0]),
      tf.reverse(t(4, 8)),
      tf.image.flipLeftRight(t(1, 2, 3, 1) as Tf.Tensor4D),
    ],
    pad: () => [
      tf.pad(t(4, 8), [
        [0, 0],
        [0, 0],
      ]),
      tf.pad(t(4, 8), [
        [1, 2],
        [0, 3],
      ]),
      tf.mirrorPad(
        t(4, 8),
        [
          [0, 0],
          [0, 0],
        ],
        'reflect',
      ),
      tf.mirrorPad(
        t(4, 8),
        [
          [2, 1],
          [1, 0],
        ],
        'symmetric',
      ),
    ],
    reductions: () => [
      tf.sum(t(4, 8), []),
      tf.sum(t(1, 8), 0),
      tf.sum(t(4, 1, 8), 1, true),
      tf.mean(t(2, 3, 4), [0, 2]),
      tf.mean(tf.scalar(2)),
      tf.max(t(4, 1), 1),
      tf.min(t(3, 4), -1, true),
      tf.prod(t(3, 4)),
      tf.sum(t(1, 1)),
      tf.any(t(2, 3).toBool(), 0),
      tf.all(t(2, 3).toBool()),
      tf.argMax(t(2, 3), 1),
      tf.argMin(t(1, 3), 0),
      tf.norm(t(3, 3)),
      tf.moments(t(4, 3), 0).variance,
      tf.logSumExp(t(3, 2)),
    ],
    cumulative: () => [tf.cumsum(t(3, 4), 1), tf.cumprod(t(5))],
    casts: () => [
      t(2, 3).cast('float32'),
      t(2, 3).cast('int32'),
      t(2, 3).cast('bool').cast('bool'),
      t(2, 3).toBool().toFloat(),
      t(2, 3).toInt().toBool(),
    ],
    shapes: () => [
      t(4, 8).clone(),
      t(4, 8).reshape([2, -1]),
      t(4, 8).expandDims(1),
      t(1, 8).squeeze(),
      t(4, 8).flatten(),
    ],
    broadcasts: () => [
      tf.add(t(3, 1), t(4)),
      tf.mul(t(2, 1, 4), t(3, 1)),
      tf.greater(t(3, 1), t(1, 4)),
      tf.sub(tf.scalar(1), t(2, 2)),
      tf.logicalAnd(t(2).toBool(), t(3, 1).toBool()),
      tf.logicalOr(t(2).toBool(), t(3, 1).toBool()),
      tf.logicalNot(t(2).toBool()),
      tf.broadcastArgs(ints([3, 1]) as Tf.Tensor1D, ints([4]) as Tf.Tensor1D),
      tf.maximum(t(3), 0),
      tf.pow(t(3, 1), t(2)),
      tf.floorDiv(t(4), 2),
      tf.mod(t(4), 3),
      tf.squaredDifference(t(4), t(1)),
      tf.atan2(t(4), t(4)),
      tf.divNoNan(t(4), t(4)),
      tf.notEqual(t(2), t(2, 1)),
      tf.addN([t(4)]),
      tf.addN([t(4), t(4), t(4)]),
    ],
    where: () => [
      tf.where(t(2, 3).toBool(), t(2, 3), tf.zeros([2, 3])),
      tf.where(tf.tensor1d([1, 0], 'bool'), t(2), t(2)),
      tf.clipByValue(t(4), 0, 1),
    ],
    matmul: () => [
      tf.matMul(t(3, 4), t(4, 5)),
      tf.matMul(t(4, 3), t(4, 5), true),
      tf.matMul(t(3, 4), t(5, 4), false, true),
      tf.matMul(t(6, 3, 4), t(6, 4, 5)),
      tf.matMul(t(6, 3, 4), t(4, 5)),
      /* The JavaScript engine gets this one wrong: */ ...(tf.getBackend() === 'tensorflow'
        ? [tf.matMul(t(2, 1, 3, 4), t(1, 5, 4, 2))]
        : []),
      tf.dot(t(3), t(3)),
      tf.outerProduct(t(3) as Tf.Tensor1D, t(4) as Tf.Tensor1D),
      tf.fused.matMul({
        a: t(3, 4) as Tf.Tensor2D,
        b: t(4, 5) as Tf.Tensor2D,
        bias: t(5),
        activation: 'relu',
      }),
    ],
    einsum: () => [
      tf.einsum('ij->ij', t(4, 8)),
      tf.einsum('ij->ji', t(4, 8)),
      tf.einsum('ij->i', t(4, 8)),
      tf.einsum('bij,bjk->bik', t(2, 3, 4), t(2, 4, 5)),
    ],
    gather: () => [
      tf.gather(t(5, 3), ints([0, 1, 4])),
      tf.gather(t(5, 3), ints([0, 1, 0, 2], 2, 2), 1),
      tf.gather(t(2, 5, 3), ints([0, 1, 0, 2], 2, 2), 1, 1),
      tf.gatherND(t(4, 8), ints([0, 1], 2, 1)),
      tf.gatherND(t(4, 8), ints([0, 1, 1, 1], 2, 2)),
      tf.scatterND(ints([0], 1, 1), t(1, 8), [4, 8]),
      tf.tensorScatterUpdate(t(4, 8), ints([0], 1, 1), t(1, 8)),
      tf.unsortedSegmentSum(t(4, 3), ints([0, 1, 1, 4]) as Tf.Tensor1D, 5),
      tf.sparseToDense(ints([0]), tf.tensor1d([5]), [4], tf.scalar(0)),
    ],
    makers: () => [
      tf.oneHot(ints([0, 2, 1]), 4),
      tf.oneHot(ints([0, 2, 1, 1], 2, 2), 3, 2, 0, 'int32'),
      tf.fill([2, 3], 7),
      tf.fill([2], 1, 'int32'),
      tf.range(0, 7, 2),
      tf.range(5, 0),
      tf.linspace(0, 1, 5),
      tf.zerosLike(t(3)),
      tf.onesLike(t(3)),
      tf.multinomial(t(2, 3) as Tf.Tensor2D, 5, 1),
      tf.diag(t(3)),
      tf.eye(3),
      tf.randomNormal([3]),
      tf.zeros([2, 2], 'bool'),
    ],
    picks: () => [
      tf.topk(t(2, 5), 3).values,
      tf.unique(ints([1, 2, 1])).values,
      tf.bincount(ints([1, 2]) as Tf.Tensor1D, t(2) as Tf.Tensor1D, 4),
    ],
    complex: () => [
      tf.complex(t(2, 3), t(2, 3)),
      tf.real(tf.complex(t(2), t(2))),
      tf.imag(tf.complex(t(2), t(2))),
      tf.abs(tf.complex(t(2), t(2))),
      tf.spectral.fft(tf.complex(t(4), t(4))),
      tf.spectral.ifft(tf.complex(t(4), t(4))),
    ],
    images: () => {
      const image = t(2, 4, 4, 3) as Tf.Tensor4D;
      return [
        tf.image.resizeBilinear(image, [4, 4]),
        tf.image.resizeBilinear(image, [7, 3]),
        tf.image.resizeNearestNeighbor(image, [2, 5]),
        tf.image.cropAndResize(
          image,
          t(5, 4) as Tf.Tensor2D,
          ints([0, 1, 0, 1, 1]) as Tf.Tensor1D,
          [2, 3],
        ),
        tf.depthToSpace(t(1, 2, 2, 4) as Tf.Tensor4D, 2, 'NHWC'),
        tf.spaceToBatchND(
          image,
          [2, 2],
          [
            [0, 0],
            [2, 0],
          ],
        ),
        tf.spaceToBatchND(
          image,
          [1, 1],
          [
            [0, 0],
            [0, 0],
          ],
        ),
        tf.batchToSpaceND(
          t(4, 2, 2, 3),
          [2, 2],
          [
            [0, 0],
            [1, 0],
          ],
        ),
        tf.localResponseNormalization(image),
        tf.batchNorm(image, t(3) as Tf.Tensor1D, t(3) as Tf.Tensor1D),
        tf.image.nonMaxSuppression(t(3, 4) as Tf.Tensor2D, t(3) as Tf.Tensor1D, 2),
        tf.image.nonMaxSuppressionPadded(
          t(3, 4) as Tf.Tensor2D,
          t(3) as Tf.Tensor1D,
          5,
          0.5,
          0,
          true,
        ).selectedIndices,
        tf.image.nonMaxSuppressionPadded(t(3, 4) as Tf.Tensor2D, t(3) as Tf.Tensor1D, 2)
          .selectedIndices,
        tf.image.nonMaxSuppressionWithScore(t(3, 4) as Tf.Tensor2D, t(3) as Tf.Tensor1D, 2)
          .selectedScores,
        tf.dilation2d(image, t(2, 2, 3) as Tf.Tensor3D, 1, 'same'),
      ];
    },
    convolutions: () => {
      const image = t(2, 9, 8, 3) as Tf.Tensor4D;
      const filter = t(3, 2, 3, 4) as Tf.Tensor4D;
      return [
        tf.conv2d(image, filter, 1, 'valid'),
        tf.conv2d(image, filter, [2, 3], 'same'),
        tf.conv2d(image, filter, 1, 'valid', 'NHWC', [2, 3]),
        tf.conv2d(image, filter, 1, [
          [0, 0],
          [1, 2],
          [0, 1],
          [0, 0],
        ]),
        tf.depthwiseConv2d(image, t(3, 3, 3, 2) as Tf.Tensor4D, 2, 'same'),
        tf.avgPool(image, [2, 3], 2, 'valid'),
        tf.maxPool(image, 3, [2, 1], 'same'),
        tf.avgPool(image, 1, 1, 'same'),
        tf.conv3d(t(1, 5, 5, 5, 2) as Tf.Tensor5D, t(2, 2, 2, 2, 3) as Tf.Tensor5D, 2, 'same'),
        tf.fused.conv2d({
          x: image,
          filter,
          strides: 1,
          pad: 'same',
          bias: t(4),
          activation: 'relu',
        }),
      ];
    },
    unary: () =>
      [
        'abs',
        'acos',
        'acosh',
        'asin',
        'asinh',
        'atan',
        'atanh',
        'ceil',
        'cos',
        'cosh',
        'elu',
        'erf',
        'exp',
        'expm1',
        'floor',
        'isFinite',
        'isInf',
        'isNaN',
        'leakyRelu',
        'log',
        'log1p',
        'logSigmoid',
        'neg',
        'reciprocal',
        'relu',
        'relu6',
        'round',
        'rsqrt',
        'selu',
        'sigmoid',
        'sign',
        'sin',
        'sinh',
        'softplus',
        'sqrt',
        'square',
        'step',
        'tan',
        'tanh',
        'softmax',
        'logSoftmax',
      ].map((name) =>
        (tf as unknown as Record<string, (x: Tf.Tensor) => Tf.Tensor>)[name](t(3, 5)),
      ),
    gradients: () => {
      const image = t(2, 6, 6, 3) as Tf.Tensor4D;
      return [
        ...[tf.elu, tf.selu, tf.relu6, tf.leakyRelu, tf.softplus, tf.tanh, tf.sqrt].map((f) =>
          tf.grad((x) => f(x))(t(3, 5)),
        ),
        tf.grad((x) => tf.image.resizeBilinear(x as Tf.Tensor4D, [4, 5]))(image),
        tf.grad((x) => tf.image.resizeNearestNeighbor(x as Tf.Tensor4D, [4, 5]))(image),
        tf.grad((x) => tf.localResponseNormalization(x as Tf.Tensor4D))(image),
        tf.grad((x) => tf.dilation2d(x as Tf.Tensor4D, t(2, 2, 3) as Tf.Tensor3D, 1, 'valid'))(
          image,
        ),
        tf.grad((x) => tf.dilation2d(image, x as Tf.Tensor3D, 1, 'valid'))(t(2, 2, 3)),
        tf.grad((x) => tf.gather(x, ints([0, 1])))(t(3, 4)),
        tf.grad((x) => tf.conv3d(x as Tf.Tensor5D, t(2, 2, 2, 2, 3) as Tf.Tensor5D, 1, 'valid'))(
          t(1, 5, 5, 5, 2),
        ),
        tf.grad((x) => tf.avgPool3d(x as Tf.Tensor5D, 2, 2, 'valid'))(t(1, 4, 4, 4, 2)),
        tf.grad((x) =>
          tf.depthwiseConv2d(x as Tf.Tensor4D, t(3, 3, 3, 2) as Tf.Tensor4D, 1, 'valid'),
        )(image),
        tf.grad((x) => tf.stack(x.unstack()))(t(3, 4)),
      ];
    },
  };
  return Object.entries(cases).map(([name, run]) => ({name, run: () => tf.tidy(() => void run())}));
}
