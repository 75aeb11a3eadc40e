/** Where a model may be cut, and where it is. */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {convnet, mlp, transformer} from '#lib/models/index.js';
import {balancedSplitPoints, splitModel} from '#lib/pipelineParallel/balance.js';
import {
  splitPointName,
  splitPointsAt,
  possibleSplitPoints,
} from '#lib/pipelineParallel/splitPoints.js';
import {readGraph} from '#lib/model/graph.js';
import {COURSE_CASES, SHAPE_CASES} from '../parity/cases';

const names = (model: tf.LayersModel) => {
  const graph = readGraph(model);
  return possibleSplitPoints(graph).map((cut) => splitPointName(graph, cut));
};
const caseModel = (name: string) =>
  [...COURSE_CASES, ...SHAPE_CASES]
    .find((one) => one.name.startsWith(name))!
    .model(tf.train.sgd(0.1));

describe('a model can be cut', () => {
  it('between any two layers of a row', () =>
    expect(names(mlp({inputShape: [4], units: [8, 8], classes: 3}))).toHaveLength(2));
  it('outside skip connections', () => {
    expect(names(transformer({layers: 2, hidden: 8, heads: 2, sequence: 4}))).toEqual([
      'positions',
      'block_0',
      'block_0/norm_2',
      'block_1',
      'block_1/norm_2',
      'norm',
      'head',
    ]);
  });
  it('not where a second use of a layer begins, which has no name of its own', () =>
    expect(names(caseModel('one layer used twice'))).toEqual(['doubled', 'out']));
  it('not where a mask would stay behind', () =>
    expect(names(caseModel('a masked embedding'))).toEqual(['out']));
  it('where an input of the model is read only later: each rank has the data', () =>
    expect(names(caseModel('two inputs'))).toEqual(['right']));
  it('inside a model that is a layer', () =>
    expect(names(caseModel('a model inside'))).toEqual(['inner/inner_2', 'out']));
});

describe('a cut that cannot be', () => {
  const graph = readGraph(transformer({layers: 1, hidden: 8, heads: 2, sequence: 4}));
  it('inside a skip connection says which tensors go on, and what is possible', () => {
    expect(() => splitPointsAt(graph, ['block_0/down'])).toThrow(
      /cannot be cut before 'block_0\/down': 2 tensors cross there \(the outputs of 'block_0\/add_1' and 'block_0\/up'\)\. It can be cut before positions, block_0, block_0\/norm_2, norm, head\./,
    );
  });
  it('at an unknown name', () =>
    expect(() => splitPointsAt(graph, ['block_7'])).toThrow(
      /splitAt names "block_7" .*, which is neither a block nor a layer/,
    ));
  it('at the beginning', () =>
    expect(() => splitPointsAt(graph, ['embedding'])).toThrow(
      /which is at the beginning of the model: the first stage would be empty/,
    ));
  it('in another order', () =>
    expect(() => splitPointsAt(graph, ['norm', 'block_0'])).toThrow(
      /names 'block_0' after 'norm', which does not come before it/,
    ));
  it('more often than there are places', () =>
    expect(() => splitModel(mlp({inputShape: [4], units: [8], classes: 3}), {stages: 4})).toThrow(
      /cannot be cut into 4 stages: that takes 3 split points.*Take at most 2 stages/s,
    ));
});

describe('a balanced split', () => {
  it('makes the dearest stage as cheap as it can be', () => {
    const cuts = [1, 2, 3, 4, 5].map((callIndex) => ({callIndex, slot: callIndex, shape: [1]}));
    const costs = [5, 1, 1, 1, 1, 5];
    expect(balancedSplitPoints(cuts, costs, 3).map(({callIndex}) => callIndex)).toEqual([1, 5]);
    expect(balancedSplitPoints(cuts, costs, 2).map(({callIndex}) => callIndex)).toEqual([3]);
  });
  it('by every balance has all layers once, in order', () => {
    const model = transformer({layers: 4, hidden: 16, heads: 2, sequence: 8});
    const all = readGraph(model).calls.map(({name}) => name);
    for (const by of ['layers', 'computed', 'measured', 'memory'] as const) {
      const {stages, splitAt} = splitModel(model, {stages: 4, by, samples: 4});
      expect(stages.flatMap(({layers}) => layers)).toEqual(all);
      expect(stages.slice(1).map(({from}) => from)).toEqual(splitAt);
      expect(stages.reduce((sum, {share}) => sum + share, 0)).toBeCloseTo(1, 9);
    }
  });
  it('of equal blocks gives each stage as many', () => {
    const {splitAt} = splitModel(transformer({layers: 4, hidden: 64, heads: 4, sequence: 16}), {
      stages: 2,
    });
    expect(splitAt).toEqual(['block_2']);
  });
  it('leaves no tensor behind', () => {
    const model = convnet();
    const before = tf.memory().numTensors;
    splitModel(model, {stages: 3, by: 'measured', samples: 4});
    expect(tf.memory().numTensors).toBe(before);
  });
});
