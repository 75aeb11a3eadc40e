/**
 * Chooses the split points that balance a pipeline's stages: by the number of layers, by
 * computed or measured cost, or by memory.
 */
import * as tf from '@tensorflow/tfjs';
import {withCode} from '../base/errors';
import {nameFrom, readOptions, refuseOption, wholeNumber, type OptionTable} from '../base/options';
import {median} from '../base/statistics';
import type {StepContext} from '../base/stepContext';
import {requireModel} from '../model/describe';
import {symbolicInputs} from '../model/tfjsInternals';
import {variablesOf} from '../model/weights';
import {readGraph, type Graph, type LayerCall} from '../model/graph';
import {applyLayer} from '../step/layerCall';
import {maskAfter} from '../step/masks';
import {saveState} from '../model/layerState';
import {GradientSum} from '../step/gradientSum';
import {Slots} from '../step/slots';
import {backward, record} from '../step/tape';
import {splitPointName, splitPointNames, possibleSplitPoints, type SplitPoint} from './splitPoints';

/**
 * What stages are balanced by. 'layers': the number of layers; 'computed': multiply-adds a sample;
 * 'measured': seconds on this machine; 'memory': bytes of weights and activations.
 */
export type Balance = 'layers' | 'computed' | 'measured' | 'memory';
/** What a split can balance. */
export const BALANCES: readonly Balance[] = ['layers', 'computed', 'measured', 'memory'];

/** Bytes a parameter: the weight, its gradient and Adam's two moments, in float32. */
const STATE_BYTES = 16;
const ROUNDS = 3;
const CONTEXT: StepContext = {seed: 1, layer: '', step: 0, firstSample: 0};

/**
 * Runs the layers once on `samples` samples of zeros. `visit` gets each call with its input tensors
 * and returns its outputs, usually from `apply`.
 */
function runLayers(
  model: tf.LayersModel,
  graph: Graph,
  samples: number,
  visit: (call: LayerCall, apply: () => tf.Tensor[], modelInputs: tf.Tensor[]) => tf.Tensor[],
): void {
  const modelInputs = symbolicInputs(model).map(({shape, dtype}) =>
    tf.zeros(
      [samples, ...shape.slice(1).map((length) => length ?? 1)],
      dtype === 'int32' ? 'int32' : 'float32',
    ),
  );
  const slots = Slots.ofInputs(graph, modelInputs);
  const state = saveState(model, variablesOf(model));
  try {
    for (const call of graph.calls) {
      const modelInputs = call.inputs.map((slot) => slots.tensors[slot]!);
      const masks = slots.masksFor(call);
      const outputs = visit(
        call,
        () => applyLayer(call, modelInputs, masks.argument, CONTEXT, true),
        modelInputs,
      );
      slots.put(call, outputs, maskAfter(call, modelInputs, masks), false);
      slots.freeAfter(call);
    }
  } finally {
    slots.freeAll();
    tf.dispose(modelInputs);
    state.restore();
  }
}

/**
 * Multiply-adds a sample: each element of a weight with two dims or more counts once for every
 * position of the output. A table that is only looked up counts nothing.
 */
function multiplyAdds(
  call: LayerCall,
  inputs: tf.Tensor[],
  outputs: tf.Tensor[],
  samples: number,
): number {
  const looksUp = inputs[0].dtype === 'int32' && outputs[0].rank === inputs[0].rank + 1;
  const weights = looksUp
    ? 0
    : variablesOf(call.layer)
        .filter(({rank}) => rank > 1)
        .reduce((sum, {size}) => sum + size, 0);
  const [output] = outputs;
  const positions = output.size / samples / output.shape[output.rank - 1];
  // One operation an output element for everything else that the layer does.
  return weights * positions + output.size / samples;
}

/** Seconds of each call's forward and backward pass with `samples` samples. */
function measuredSeconds(model: tf.LayersModel, graph: Graph, samples: number): number[] {
  const sum = GradientSum.of(model);
  const secondsByCall = graph.calls.map((): number[] => []);
  for (let round = -1; round < ROUNDS; round++) {
    runLayers(model, graph, samples, (call, apply, inputs) => {
      const start = performance.now();
      const {outputs, tape} = record(
        [...inputs.filter(({dtype}) => dtype === 'float32'), ...sum.weightsOf(call.layer)],
        apply,
      );
      const outputGradients = outputs.map((output) => tf.onesLike(output));
      const gradients = [
        ...backward(
          tape,
          new Map(outputs.map((output, i) => [output.id, outputGradients[i]])),
        ).values(),
      ];
      for (const gradient of gradients.slice(0, 1)) gradient.dataSync();
      if (round >= 0) secondsByCall[call.index].push((performance.now() - start) / 1000);
      tf.dispose([...outputGradients, ...gradients]);
      return outputs;
    });
  }
  return secondsByCall.map(median);
}

/** The cost of each call, in the unit of `by`. */
function costsOf(model: tf.LayersModel, graph: Graph, by: Balance, samples: number): number[] {
  if (by === 'layers') return graph.calls.map(() => 1);
  if (by === 'measured') return measuredSeconds(model, graph, samples);
  const costs: number[] = [];
  const seen = new Set<tf.layers.Layer>();
  runLayers(model, graph, 2, (call, apply, inputs) => {
    const outputs = tf.tidy(apply);
    const state = seen.has(call.layer)
      ? 0
      : STATE_BYTES * variablesOf(call.layer).reduce((sum, {size}) => sum + size, 0);
    seen.add(call.layer);
    costs[call.index] =
      by === 'computed'
        ? multiplyAdds(call, inputs, outputs, 2)
        : state +
          4 *
            samples *
            outputs.reduce((sum, {shape}) => sum + tf.util.sizeFromShape(shape.slice(1)), 0);
    return outputs;
  });
  return costs;
}

/** Chooses those of the `candidates` that minimize the cost of the costliest stage. */
export function balancedSplitPoints(
  candidates: readonly SplitPoint[],
  costs: readonly number[],
  stages: number,
): SplitPoint[] {
  const costBefore = [0];
  for (const cost of costs) costBefore.push(costBefore[costBefore.length - 1] + cost);
  const ends = [...candidates.map(({callIndex}) => callIndex), costs.length];
  // best[k][j]: the cost of the costliest of k + 1 stages up to ends[j], and their split points.
  let best = ends.map((end) => ({costliest: costBefore[end], chain: [] as number[]}));
  for (let k = 1; k < stages; k++) {
    best = ends.map((end, j) => {
      let cheapest = {costliest: Infinity, chain: [] as number[]};
      for (let i = 0; i < j; i++) {
        const costliest = Math.max(best[i].costliest, costBefore[end] - costBefore[ends[i]]);
        if (costliest < cheapest.costliest) cheapest = {costliest, chain: [...best[i].chain, i]};
      }
      return cheapest;
    });
  }
  return best[ends.length - 1].chain.map((i) => candidates[i]);
}

/** One stage of a split. */
export interface Stage {
  /** Its first block or layer, as `splitAt` names it. */
  from: string;
  layers: string[];
  /** The number of parameters; those that several stages share are counted in each. */
  parameters: number;
  /** Its share of the total cost that was balanced, from 0 to 1. */
  share: number;
}

/** A model split into stages. */
export interface Split {
  /**
   * The names of the first blocks or layers of stages 1, 2, ...: a value for `strategy.splitAt`.
   */
  splitAt: string[];
  stages: Stage[];
}

/** How `splitModel` splits a model. */
export interface SplitOptions {
  /** How many stages. */
  stages: number;
  /** What the stages are balanced by. @default 'computed' */
  by?: Balance;
  /** Samples of a micro-batch, for 'measured' and 'memory'. @default 32 */
  samples?: number;
}

const OPTIONS: OptionTable<SplitOptions> = {
  stages: wholeNumber(1),
  'by?': nameFrom(BALANCES),
  'samples?': wholeNumber(1),
};

/** The same as `costsOf`. Throws BAD_MODEL if a layer fails. */
function costsOrRefusal(...args: Parameters<typeof costsOf>): number[] {
  try {
    return costsOf(...args);
  } catch (error) {
    throw withCode(error, 'BAD_MODEL', "the model's layers cannot be run to balance the stages");
  }
}

/** The split points of a balanced split, with the model's graph and the cost of each call. */
export function chooseSplitPoints(
  model: tf.LayersModel,
  options: SplitOptions,
  graph = readGraph(model),
): {graph: Graph; splitPoints: SplitPoint[]; costs: number[]} {
  const {stages, by = 'computed', samples = 32} = readOptions('splitModel', options, OPTIONS);
  const possible = possibleSplitPoints(graph);
  if (possible.length < stages - 1)
    refuseOption(
      `the model cannot be cut into ${stages} stages: that takes ${stages - 1} split points, each between two layers where a single tensor crosses. ${splitPointNames(graph)} Take at most ${possible.length + 1} stages.`,
    );
  const costs = costsOrRefusal(model, graph, by, samples);
  return {graph, splitPoints: balancedSplitPoints(possible, costs, stages), costs};
}

/**
 * Splits a model into `options.stages` contiguous stages so that the costliest one costs as little
 * as possible. Returns the names to pass as `strategy.splitAt` and, for each stage, its layers, its
 * number of parameters and its share of the cost. Does not train or change the model; 'measured'
 * runs its layers. Throws BAD_OPTION for a wrong option, and with all possible names if the model
 * has too few split points.
 */
export function splitModel(model: tf.LayersModel, options: SplitOptions): Split {
  requireModel('splitModel', model);
  const {graph, splitPoints, costs} = chooseSplitPoints(model, options);
  const bounds = [0, ...splitPoints.map(({callIndex}) => callIndex), graph.calls.length];
  const totalCost = costs.reduce((sum, cost) => sum + cost, 0);
  return {
    splitAt: splitPoints.map((splitPoint) => splitPointName(graph, splitPoint)),
    stages: bounds.slice(1).map((end, i) => {
      const calls = graph.calls.slice(bounds[i], end);
      const variables = new Set(calls.flatMap(({layer}) => variablesOf(layer)));
      return {
        from: splitPointName(graph, {callIndex: bounds[i]}),
        layers: calls.map(({name}) => name),
        parameters: [...variables].reduce((sum, {size}) => sum + size, 0),
        share: costs.slice(bounds[i], end).reduce((sum, cost) => sum + cost, 0) / totalCost,
      };
    }),
  };
}
