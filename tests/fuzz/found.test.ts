/**
 * Faults that the fuzzer found, each as a small program that must equal `model.fit`.
 */
import {describe, expect, it} from 'vitest';
import '#lib/devices/register.js';
import {checkProgram} from '#scripts/fuzz/check.js';
import type {
  GraphSpec,
  LayerSpec,
  NodeSpec,
  Program,
  RunSpec,
  Value,
} from '#scripts/fuzz/program.js';

const layer = (kind: string, options: Record<string, Value> = {}): LayerSpec => ({kind, options});

/** A chain of layers after an input of `shape`. */
function chain(shape: number[], ...layers: LayerSpec[]): GraphSpec {
  const nodes = layers.map(
    (made, i): NodeSpec => ({
      id: `n${i + 1}`,
      what: {layer: made},
      inputs: [i === 0 ? 'x0' : `n${i}`],
    }),
  );
  return {
    inputs: [{id: 'x0', shape}],
    nodes,
    outputs: [nodes[nodes.length - 1].id],
    sequential: false,
  };
}

const TRAIN: RunSpec = {name: 'train', devices: 1, options: {}};
const strategy = (name: Value, devices = 2): RunSpec => ({
  name: JSON.stringify(name),
  devices,
  strategy: name,
  options: {},
});

const program = (graph: GraphSpec, runs: RunSpec[], parts: Partial<Program> = {}): Program => ({
  seed: 0,
  graph,
  objectives: [{loss: 'meanSquaredError', target: 'real', metrics: []}],
  form: 'first',
  optimizer: 'tf.train.sgd(0.05)',
  samples: 7,
  fixedBatch: false,
  blocks: false,
  fit: {batchSize: 4, epochs: 1},
  validationSamples: 0,
  classWeight: null,
  sampleWeight: false,
  actions: [],
  callback: null,
  observesBatches: false,
  runs,
  ...parts,
});

/** An LSTM whose states begin a second LSTM. */
const ENCODER_DECODER: GraphSpec = {
  inputs: [{id: 'x0', shape: [2, 3]}],
  nodes: [
    {
      id: 'n1',
      what: {layer: layer('lstm', {units: 2, returnState: true})},
      inputs: ['x0'],
    },
    {
      id: 'n2',
      what: {layer: layer('lstm', {units: 2})},
      inputs: ['x0'],
      states: ['n1.1', 'n1.2'],
    },
  ],
  outputs: ['n2'],
  sequential: false,
};

const CASES: Record<string, Program> = {
  'a stage of a pipeline without weights counts the steps of its optimizer': program(
    chain([3], layer('repeatVector', {n: 2}), layer('dense', {units: 2})),
    [1, 2, 3].map((zero) => strategy({mesh: {data: 2, pipeline: 2}, zero, microBatches: 2}, 4)),
    {optimizer: 'tf.train.adam(0.005)'},
  ),
  'the number that momentum keeps is replaced, not added': program(
    chain([3], layer('dense', {units: 2})),
    [TRAIN, strategy('dataParallel')],
    {optimizer: 'tf.train.momentum(0.02, 0.9)'},
  ),
  'an LSTM with returnState, whose output is its state': program(ENCODER_DECODER, [
    TRAIN,
    strategy('fsdp'),
    {...strategy('dataParallel', 3), options: {recompute: ['n2'], microBatches: 2}},
  ]),
  'a shape that centerCrop overwrites, where a pipeline is cut': program(
    chain(
      [4, 4, 1],
      layer('averagePooling2d', {poolSize: 2}),
      layer('centerCrop', {height: 1, width: 1}),
      layer('flatten'),
      layer('dense', {units: 2}),
    ),
    [TRAIN, strategy({kind: 'pipelineParallel', microBatches: 2})],
  ),
  'a shape that centerCrop overwrites, which an activation shares': program(
    chain(
      [4, 4, 1],
      layer('averagePooling2d', {poolSize: 2}),
      layer('activation', {activation: 'tanh'}),
      layer('centerCrop', {height: 1, width: 1}),
      layer('flatten'),
      layer('dense', {units: 2}),
      layer('dense', {units: 2}),
    ),
    [TRAIN, strategy({kind: 'pipelineParallel', balance: 'layers', microBatches: 3}, 3)],
  ),
  'a rank without samples, between batch norms and several units': program(
    chain(
      [3, 2],
      layer('batchNormalization'),
      layer('flatten'),
      ...[2, 2, 3].map((units) => layer('dense', {units})),
    ),
    ['dataParallel', 'zero1', 'zero2', 'fsdp'].map((name) => ({
      ...strategy(name),
      options: {microBatches: 3},
    })),
  ),
  'a recurrent layer over one time step': program(
    chain([1, 3], layer('dense', {units: 2}), layer('gru', {units: 2})),
    [TRAIN, strategy('fsdp'), strategy({kind: 'pipelineParallel', microBatches: 2})],
  ),
  'a separable convolution, whose depthMultiplier tfjs leaves out of its configuration': program(
    chain(
      [3, 3, 2],
      layer('separableConv2d', {filters: 2, kernelSize: 2, depthMultiplier: 2}),
      layer('flatten'),
      layer('dense', {units: 2}),
    ),
    [TRAIN, strategy('zero1')],
  ),
  'a name with an underline in a configuration': program(
    chain([3], layer('dense', {units: 2, activation: 'gelu_new'}), layer('dense', {units: 1})),
    [TRAIN, strategy('tensorParallel')],
  ),
};

describe('equals fit', () => {
  it.each(Object.entries(CASES))('%s', async (_, faulty) => {
    const {failures, refusals, equal} = await checkProgram(faulty);
    expect(failures.map(({run, lines}) => [run.name, lines])).toEqual([]);
    expect(refusals).toEqual([]);
    expect(equal).toHaveLength(faulty.runs.length);
  });
});
