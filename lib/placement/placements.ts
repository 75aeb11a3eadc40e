/**
 * Which rank holds which piece of which weight, before a run: by the same cuts, layout
 * and shards that the run will use.
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

/** What a rank has of what is divided in a layer: 'heads', 0 up to 2 of 4. */
export interface PlacedShard extends LayoutPart {
  /** In the plural: columns, rows, heads, tokens, filters. */
  what: string;
}

/** One weight as a rank has it. */
export interface WeightPlacement {
  /** With its layer's name. */
  name: string;
  /** The layer's name. */
  layer: string;
  /** The layer's block. */
  block: string;
  /** Of the whole weight. */
  shape: number[];
  /** The run of it that this rank has along one axis; null where it has all. */
  shard: WeightShard | null;
  /**
   * What is divided in its layer, and which of them are this rank's; null where the layer is whole.
   */
  part: PlacedShard | null;
}

/** What one rank holds from the start of a run to its end; bytes in float32. */
export interface RankPlacement {
  rank: number;
  /** Its place on each axis. */
  at: Coordinates;
  /**
   * Its stages' weights as the tensor axis divides them. In stage 3 of ZeRO it keeps its share of
   * them, and gathers a block at a time.
   */
  weights: WeightPlacement[];
  /** Bytes of parameters. */
  parameters: number;
  /** Bytes of their gradients. */
  gradients: number;
  /** Bytes of the optimizer's state, scalars aside. */
  optimizer: number;
}

/** Who holds what. */
export interface Placements {
  mesh: Mesh;
  /**
   * The stage of ZeRO, which divides by the data axis the optimizer's state (1), the gradients too
   * (2), the parameters too (3).
   */
  zero: 0 | 1 | 2 | 3;
  /** By rank. */
  ranks: RankPlacement[];
}

/** What else the division depends on. */
export interface PlacementsOptions {
  /** How many devices there are. @default as many as the strategy's mesh has ranks, else 2 */
  devices?: number;
  /** Samples of a step, which count where cuts are balanced. @default 32 */
  batchSize?: number;
}

/** The checks of `PlacementsOptions`. */
export const PLACEMENTS_OPTIONS: OptionTable<PlacementsOptions> = {
  'devices?': wholeNumber(1),
  'batchSize?': wholeNumber(1),
};

const BYTES = 4;
/** Elements that a rank has of a weight. */
export const placedSize = ({shape, shard}: Pick<WeightPlacement, 'shape' | 'shard'>) =>
  tf.util.sizeFromShape(shard ? shardShape(shape, shard) : shape);
/** The words of a matrix, where a rule has another for its layer's. */
const WORDS: Partial<Record<string, string>> = {column: 'columns', row: 'rows'};

function devicesOf(strategy: Strategy | Plan): number {
  const mesh =
    typeof strategy === 'object' && strategy !== null && 'mesh' in strategy ? strategy.mesh : null;
  const {data = 1, tensor = 1, pipeline = 1} = mesh ?? {data: 2};
  return data * tensor * pipeline;
}

/** The weights of these calls, each variable once, as part `t` of the tensor axis has them. */
export function placedOn(
  calls: readonly LayerCall[],
  rules: Rules,
  t: number,
  parts: number,
): Map<tf.Variable, WeightPlacement> {
  const found = new Map<tf.Variable, WeightPlacement>();
  for (const {layer, name, block} of calls) {
    const rule = rules[name];
    const sharded = rule ? shardedOf(layer, rule) : null;
    const part = sharded && rangeFor(sharded, layer, t, parts);
    for (const weight of weightsOf(layer)) {
      const variable = weight.read();
      if (found.has(variable)) continue;
      found.set(variable, {
        name: weight.originalName,
        layer: name,
        block,
        shape: variable.shape,
        shard: sharded && shardOf(sharded, layer, weight.originalName, part!),
        part: sharded && {what: WORDS[rule] ?? sharded.what, ...part!},
      });
    }
  }
  return found;
}

interface Divided {
  graph: Graph;
  mesh: Mesh;
  zero: Plan['zero'];
  rules: Rules;
  /** By place on the pipeline axis, the layers of its stages. */
  walks: LayerCall[][][];
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
  return resolveDivision(request, {...context, batchSize, origin: 'asked', because: 'as asked'});
}

function divide(
  model: tf.LayersModel,
  strategy: Strategy | Plan,
  options: PlacementsOptions,
): Divided {
  const graph = readGraph(model);
  const plan = planOf({model, graph}, strategy, options);
  const {mesh, zero, layout: rules = {}} = plan;
  const stages = stageGraphs(graph, pipelineOf(graph, plan)?.splitPoints ?? []);
  const walks = Array.from({length: mesh.pipeline}, (_, place) =>
    stages.filter(({index}) => index % mesh.pipeline === place).map((stage) => stage.graph.calls),
  );
  return {graph, mesh, zero, rules, walks};
}

/**
 * Which rank holds which piece of which weight of `model` under `strategy`: a strategy object, a
 * name, or `result.plan` of a run. Throws BAD_OPTION and BAD_SCHEDULE as `trainParallel` does,
 * BAD_MODEL for a model that is not compiled.
 */
export function placements(
  model: tf.LayersModel,
  strategy: Strategy | Plan,
  options: PlacementsOptions = {},
): Placements {
  readOptions('placements', options, PLACEMENTS_OPTIONS);
  if (!isCompiled(model))
    throw new ManyHandsError(
      'BAD_MODEL',
      "placements: the model is not compiled, so what its optimizer keeps is not known: call model.compile({optimizer: 'adam', loss: 'meanSquaredError'}) first.",
    );
  const {graph, mesh, zero, rules, walks} = divide(model, strategy, options);
  const {state} = optimizerSizes(model.optimizer);
  const ranks = Array.from({length: mesh.size}, (_, rank): RankPlacement => {
    const at = mesh.coordinatesOf(rank);
    const runs = walks[at.pipeline];
    const held = placedOn(runs.flat(), rules, at.tensor, mesh.tensor);
    const trained = GradientSum.of(model, runs.flat());
    const {units} = planUnits(
      graph,
      runs,
      trained,
      () => false,
      ({variable}) => placedSize(held.get(variable)!),
    );
    const all = sum([...held.values()].map(placedSize));
    const trainable = sum(units.map(({length}) => length));
    // ZeRO divides each block's weights, end to end, among the replicas.
    const share = sum(
      units.map(
        ({length}) =>
          partStart(at.data + 1, length, mesh.data) - partStart(at.data, length, mesh.data),
      ),
    );
    const from = (stage: number) => (zero >= stage ? share : trainable);
    return {
      rank,
      at,
      weights: [...held.values()],
      parameters: BYTES * (all - trainable + from(3)),
      gradients: BYTES * from(2),
      optimizer: state * from(1),
    };
  });
  return {mesh, zero, ranks};
}
