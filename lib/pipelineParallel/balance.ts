/**
 * Which of the possible cuts make the stages alike: by the number of layers, by
 * computed or measured cost, or by memory.
 */
import {median} from '../base/statistics';
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError, oneOf, shown} from '../base/errors';
import {symbolicInputs} from '../model/tfjsInternals';
import {variablesOf} from '../model/weights';
import {readGraph, type Graph, type LayerCall} from '../model/graph';
import {applyLayer, maskAfter} from '../step/layerCall';
import {nonTrainableWeights, remember} from '../model/nonTrainableWeights';
import {GradientSum} from '../step/gradientSum';
import {Slots} from '../step/slots';
import {backward, record} from '../step/tape';
import {splitPointName, splitPointNames, possibleSplitPoints, type SplitPoint} from './splitPoints';

/**
 * What is made alike: the number of layers; the products that a sample takes, computed or
 * (`measured`) timed on this machine; the bytes of weights and activations.
 */
export type Balance = 'layers' | 'computed' | 'measured' | 'memory';
const BALANCES: readonly Balance[] = ['layers', 'computed', 'measured', 'memory'];

/** Bytes a weight with its gradient and Adam's two moments. */
const STATE_BYTES = 16;
const ROUNDS = 3;

/**
 * Walks the layers once over `samples` of zeros; `visit` sees each call with what it is given and
 * applies it.
 */
function walk(
  model: tf.LayersModel,
  graph: Graph,
  samples: number,
  visit: (call: LayerCall, apply: () => tf.Tensor[], given: tf.Tensor[]) => tf.Tensor[],
): void {
  const inputs = symbolicInputs(model).map(({shape, dtype}) =>
    tf.zeros(
      [samples, ...shape.slice(1).map((length) => length ?? 1)],
      dtype === 'int32' ? 'int32' : 'float32',
    ),
  );
  const slots = Slots.ofInputs(graph, inputs);
  const putBack = remember(nonTrainableWeights(model));
  try {
    for (const call of graph.calls) {
      const given = call.inputs.map((slot) => slots.tensors[slot]!);
      const mask = slots.masks[call.inputs[0]];
      const outputs = visit(
        call,
        () => applyLayer(call, given, mask, {seed: 1, layer: '', step: 0, firstSample: 0}, true),
        given,
      );
      slots.put(call, outputs, maskAfter(call, given, mask), false);
      slots.freeAfter(call);
    }
  } finally {
    slots.freeAll();
    tf.dispose(inputs);
    putBack();
  }
}

/**
 * Multiply-adds a sample: a weight of two dims or more meets every place of the output once, but in
 * a table that is only looked up.
 */
function products(
  call: LayerCall,
  given: tf.Tensor[],
  outputs: tf.Tensor[],
  samples: number,
): number {
  const looksUp = given[0].dtype === 'int32' && outputs[0].rank === given[0].rank + 1;
  const weights = looksUp
    ? 0
    : variablesOf(call.layer)
        .filter(({rank}) => rank > 1)
        .reduce((sum, {size}) => sum + size, 0);
  const [output] = outputs;
  const places = output.size / samples / output.shape[output.rank - 1];
  // What a layer does beside its products costs something too.
  return weights * places + output.size / samples;
}

/** Seconds of each call's forward and backward over `samples` samples. */
function seconds(model: tf.LayersModel, graph: Graph, samples: number): number[] {
  const sum = GradientSum.of(model);
  const found = graph.calls.map((): number[] => []);
  for (let round = -1; round < ROUNDS; round++) {
    walk(model, graph, samples, (call, apply, given) => {
      const start = performance.now();
      const {outputs, tape} = record(
        [...given.filter(({dtype}) => dtype === 'float32'), ...sum.weightsOf(call.layer)],
        apply,
      );
      const flowed = outputs.map((output) => tf.onesLike(output));
      const gradients = [
        ...backward(tape, new Map(outputs.map((output, i) => [output.id, flowed[i]]))).values(),
      ];
      for (const gradient of gradients.slice(0, 1)) gradient.dataSync();
      if (round >= 0) found[call.index].push((performance.now() - start) / 1000);
      tf.dispose([...flowed, ...gradients]);
      return outputs;
    });
  }
  return found.map(median);
}

/** What each call costs, in the balance's own unit. */
function costsOf(model: tf.LayersModel, graph: Graph, by: Balance, samples: number): number[] {
  if (by === 'layers') return graph.calls.map(() => 1);
  if (by === 'measured') return seconds(model, graph, samples);
  const costs: number[] = [];
  const seen = new Set<tf.layers.Layer>();
  walk(model, graph, 2, (call, apply, given) => {
    const outputs = tf.tidy(apply);
    const state = seen.has(call.layer)
      ? 0
      : STATE_BYTES * variablesOf(call.layer).reduce((sum, {size}) => sum + size, 0);
    seen.add(call.layer);
    costs[call.index] =
      by === 'computed'
        ? products(call, given, outputs, 2)
        : state +
          4 *
            samples *
            outputs.reduce((sum, {shape}) => sum + tf.util.sizeFromShape(shape.slice(1)), 0);
    return outputs;
  });
  return costs;
}

/** Of the possible cuts, those with which the dearest stage is cheapest. */
export function balancedSplitPoints(
  cuts: readonly SplitPoint[],
  costs: readonly number[],
  stages: number,
): SplitPoint[] {
  const before = [0];
  for (const cost of costs) before.push(before[before.length - 1] + cost);
  const ends = [...cuts.map(({at}) => at), costs.length];
  // best[k][j]: the dearest of k + 1 stages that end with ends[j], and the end before it.
  let best = ends.map((end) => ({dearest: before[end], chain: [] as number[]}));
  for (let k = 1; k < stages; k++) {
    best = ends.map((end, j) => {
      let found = {dearest: Infinity, chain: [] as number[]};
      for (let i = 0; i < j; i++) {
        const dearest = Math.max(best[i].dearest, before[end] - before[ends[i]]);
        if (dearest < found.dearest) found = {dearest, chain: [...best[i].chain, i]};
      }
      return found;
    });
  }
  return best[ends.length - 1].chain.map((i) => cuts[i]);
}

/** One stage of a split. */
export interface Stage {
  /** Its first block or layer, as `splitAt` names it. */
  from: string;
  layers: string[];
  /** How many weights it has; those that an earlier stage has too are counted in both. */
  parameters: number;
  /** Its share of the whole cost, from 0 to 1, by what was balanced. */
  share: number;
}

/** A model cut into stages. */
export interface Split {
  /** The names with which stages 1, 2, ... begin: what the strategy's `splitAt` takes. */
  splitAt: string[];
  stages: Stage[];
}

/** How `splitModel` is to cut. */
export interface SplitOptions {
  /** How many stages. */
  stages: number;
  /** What is made alike. @default 'computed' */
  by?: Balance;
  /** Samples of a micro-batch, for 'measured' and 'memory'. @default 32 */
  samples?: number;
}

/** The cuts of a balanced split, and the graph that they cut. */
export function chooseSplitPoints(
  model: tf.LayersModel,
  {stages, by = 'computed', samples = 32}: SplitOptions,
): {graph: Graph; cuts: SplitPoint[]; costs: number[]} {
  if (!Number.isInteger(stages) || stages < 1)
    throw new ManyHandsError(
      'BAD_OPTION',
      `stages must be a whole number from 1; it is ${shown(stages)}.`,
    );
  if (!BALANCES.includes(by))
    throw new ManyHandsError(
      'BAD_OPTION',
      `a split is balanced by ${oneOf(BALANCES as string[])}; it is ${shown(by)}.`,
    );
  const graph = readGraph(model);
  const possible = possibleSplitPoints(graph);
  if (possible.length < stages - 1)
    throw new ManyHandsError(
      'BAD_OPTION',
      `the model cannot be cut into ${stages} stages, for which it would take ${stages - 1} cuts: a cut lies between two layers where one tensor goes on. ${splitPointNames(graph)} Take at most ${possible.length + 1} stages.`,
    );
  const costs = costsOf(model, graph, by, samples);
  return {graph, cuts: balancedSplitPoints(possible, costs, stages), costs};
}

/**
 * Cuts a model into stages that are alike. Throws BAD_OPTION where there are too few places to cut,
 * with those that there are.
 */
export function splitModel(model: tf.LayersModel, options: SplitOptions): Split {
  const {graph, cuts, costs} = chooseSplitPoints(model, options);
  const bounds = [0, ...cuts.map(({at}) => at), graph.calls.length];
  const whole = costs.reduce((sum, cost) => sum + cost, 0);
  return {
    splitAt: cuts.map((cut) => splitPointName(graph, cut)),
    stages: bounds.slice(1).map((end, i) => {
      const calls = graph.calls.slice(bounds[i], end);
      const variables = new Set(calls.flatMap(({layer}) => variablesOf(layer)));
      return {
        from: splitPointName(graph, {at: bounds[i]}),
        layers: calls.map(({name}) => name),
        parameters: [...variables].reduce((sum, {size}) => sum + size, 0),
        share: costs.slice(bounds[i], end).reduce((sum, cost) => sum + cost, 0) / whole,
      };
    }),
  };
}
