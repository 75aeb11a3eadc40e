/**
 * Computes before a run which shard of each weight every rank will hold, from the same split
 * points, layout and ZeRO shards as the run.
 */
import {sum} from '../base/statistics';
import * as tf from '@tensorflow/tfjs';
import {optimizerSizes} from '../memoryEstimate/optimizerSizes';
import {ManyHandsError} from '../base/errors';
import {readOptions, wholeNumber, type OptionTable} from '../base/options';
import {partStart} from '../collectives/types';
import type {Coordinates, Mesh} from '../mesh/mesh';
import {stageGraphs} from '../pipelineParallel/stages';
import {GradientSum} from '../step/gradientSum';
import {requireModel} from '../model/describe';
import {readGraph, type Graph, type LayerCall} from '../model/graph';
import {isCompiled, weightsOf} from '../model/tfjsInternals';
import {shardShape, type WeightShard} from '../model/weightShard';
import {shardedOf, type Rules} from '../tensorParallel/layout';
import {shardOf, rangeFor, type LayoutPart} from '../tensorParallel/rules';
import {planUnits} from '../zero/units';
import type {Strategy} from '../config/options';
import type {Plan} from '../config/plan';
import {readStrategy} from '../config/readStrategy';
import type {ModelContext} from './division';
import {resolveDivision} from './resolveDivision';
import {pipelineOf} from './resolvePipeline';

/** A rank's share of what is divided in a layer, such as heads 0 and 1 of 4. */
export interface PlacedShard extends LayoutPart {
  /** What is divided: columns, rows, heads, tokens or filters. */
  what: string;
}

/** One weight on one rank. */
export interface WeightPlacement {
  /** The weight's name, including its layer's name. */
  name: string;
  /** The name of its layer. */
  layer: string;
  /** The block of its layer. */
  block: string;
  /** The shape of the full weight. */
  shape: number[];
  /** The rank's range along one dimension; null if the rank holds the full weight. */
  shard: WeightShard | null;
  /** What is divided in its layer, and the rank's share; null if the layer is replicated. */
  part: PlacedShard | null;
}

/** What one rank holds during a whole run; all values are float32. */
export interface RankPlacement {
  rank: number;
  /** The rank's coordinate on each axis of the mesh. */
  at: Coordinates;
  /**
   * The weights of the rank's stages, as the tensor axis divides them. In stage 3 of ZeRO the rank
   * keeps only its shard of them and gathers one block at a time.
   */
  weights: WeightPlacement[];
  /** Bytes of parameters. */
  parameters: number;
  /** Bytes of their gradients. */
  gradients: number;
  /** Bytes of the optimizer's state, without scalars. */
  optimizer: number;
}

/** What every rank holds. */
export interface Placements {
  mesh: Mesh;
  /**
   * The stage of ZeRO: along the data axis, 1 divides the optimizer's state, 2 also the gradients,
   * 3 also the parameters.
   */
  zero: 0 | 1 | 2 | 3;
  /** By rank. */
  ranks: RankPlacement[];
}

/** The options of `placements`. */
export interface PlacementsOptions {
  /** The number of devices. @default the number of ranks in the strategy's mesh, otherwise 2 */
  devices?: number;
  /** The number of samples in a step, which matters for balancing stages. @default 32 */
  batchSize?: number;
}

/** The checks of `PlacementsOptions`. */
export const PLACEMENTS_OPTIONS: OptionTable<PlacementsOptions> = {
  'devices?': wholeNumber(1),
  'batchSize?': wholeNumber(1),
};

const BYTES = 4;
/** The number of elements of a weight that a rank holds. */
export const placedSize = ({shape, shard}: Pick<WeightPlacement, 'shape' | 'shard'>) =>
  tf.util.sizeFromShape(shard ? shardShape(shape, shard) : shape);
/** The plurals of rules that divide a matrix. */
const WORDS: Partial<Record<string, string>> = {column: 'columns', row: 'rows'};

function devicesOf(strategy: Strategy | Plan): number {
  const mesh =
    typeof strategy === 'object' && strategy !== null && 'mesh' in strategy ? strategy.mesh : null;
  const {data = 1, tensor = 1, pipeline = 1} = mesh ?? {data: 2};
  return data * tensor * pipeline;
}

/**
 * The weights of these calls, each variable once, on rank `t` of a tensor axis of `parts` ranks.
 */
export function placedOn(
  calls: readonly LayerCall[],
  rules: Rules,
  t: number,
  parts: number,
): Map<tf.Variable, WeightPlacement> {
  const placementOf = new Map<tf.Variable, WeightPlacement>();
  for (const {layer, name, block} of calls) {
    const rule = rules[name];
    const sharded = rule ? shardedOf(layer, rule) : null;
    const part = sharded && rangeFor(sharded, layer, t, parts);
    for (const weight of weightsOf(layer)) {
      const variable = weight.read();
      if (placementOf.has(variable)) continue;
      placementOf.set(variable, {
        name: weight.originalName,
        layer: name,
        block,
        shape: variable.shape,
        shard: sharded && shardOf(sharded, layer, weight.originalName, part!),
        part: sharded && {what: WORDS[rule] ?? sharded.what, ...part!},
      });
    }
  }
  return placementOf;
}

interface Division {
  graph: Graph;
  mesh: Mesh;
  zero: Plan['zero'];
  rules: Rules;
  /** By coordinate on the pipeline axis, the layer calls of each local stage. */
  stageCalls: LayerCall[][][];
}

const isPlan = (strategy: Strategy | Plan): strategy is Plan =>
  typeof strategy === 'object' && strategy !== null && 'origin' in strategy;

function planOf(
  context: ModelContext,
  strategy: Strategy | Plan,
  {devices = devicesOf(strategy), batchSize = 32}: PlacementsOptions,
): Plan {
  if (isPlan(strategy)) return strategy;
  const request = readStrategy(strategy, {devices});
  return resolveDivision(request, {...context, batchSize, origin: 'asked', because: 'as asked'})
    .plan;
}

function divide(
  model: tf.LayersModel,
  strategy: Strategy | Plan,
  options: PlacementsOptions,
): Division {
  const graph = readGraph(model);
  const plan = planOf({model, graph}, strategy, options);
  const {mesh, zero, layout: rules = {}} = plan;
  const stages = stageGraphs(graph, pipelineOf(graph, plan)?.splitPoints ?? []);
  const stageCalls = Array.from({length: mesh.pipeline}, (_, position) =>
    stages
      .filter(({index}) => index % mesh.pipeline === position)
      .map((stage) => stage.graph.calls),
  );
  return {graph, mesh, zero, rules, stageCalls};
}

/**
 * Returns which shard of each weight of `model` every rank holds, and the bytes of parameters,
 * gradients and optimizer state. `strategy` is a name, a strategy object, or the `plan` of a
 * result. Throws BAD_OPTION and BAD_SCHEDULE as `trainParallel` does, and BAD_MODEL for a model
 * that is not compiled.
 */
export function placements(
  model: tf.LayersModel,
  strategy: Strategy | Plan,
  options: PlacementsOptions = {},
): Placements {
  readOptions('placements', options, PLACEMENTS_OPTIONS);
  requireModel('placements', model);
  if (!isCompiled(model))
    throw new ManyHandsError(
      'BAD_MODEL',
      "placements: the model is not compiled, so what its optimizer keeps is not known: call model.compile({optimizer: 'adam', loss: 'meanSquaredError'}) first.",
    );
  const {graph, mesh, zero, rules, stageCalls} = divide(model, strategy, options);
  const {state} = optimizerSizes(model.optimizer);
  const ranks = Array.from({length: mesh.size}, (_, rank): RankPlacement => {
    const coordinates = mesh.coordinatesOf(rank);
    const stages = stageCalls[coordinates.pipeline];
    const weights = placedOn(stages.flat(), rules, coordinates.tensor, mesh.tensor);
    const trained = GradientSum.of(model, stages.flat());
    const {units} = planUnits(
      graph,
      stages,
      trained,
      () => false,
      ({variable}) => placedSize(weights.get(variable)!),
    );
    const allElements = sum([...weights.values()].map(placedSize));
    const trainable = sum(units.map(({length}) => length));
    // ZeRO packs each block's weights into one flat array and divides it among the replicas.
    const share = sum(
      units.map(
        ({length}) =>
          partStart(coordinates.data + 1, length, mesh.data) -
          partStart(coordinates.data, length, mesh.data),
      ),
    );
    const from = (stage: number) => (zero >= stage ? share : trainable);
    return {
      rank,
      at: coordinates,
      weights: [...weights.values()],
      parameters: BYTES * (allElements - trainable + from(3)),
      gradients: BYTES * from(2),
      optimizer: state * from(1),
    };
  });
  return {mesh, zero, ranks};
}
