/**
 * `planSpec(spec)`: evaluates every sensible way to train a transformer, best first. It computes with
 * numbers only and loads neither a model nor an engine.
 */
import {transformerParameters} from '../memoryEstimate/formulas';
import type {CheckedSpec, SpecPlan, TransformerSpec} from './spec';
import {choicesOf} from './choices';
import {readSpec} from './readSpec';
import {modelFlops} from './formulas';
import {reasonOf, type SearchSummary} from './reasons';
import {evaluateChoice, type EvaluatedChoice} from './row';

/**
 * The most rows that show every choice. Where there are more choices, the rows show the best
 * micro-batch of each mesh, stage of ZeRO and recompute.
 */
const MOST_ROWS = 1000;

/** Compares two lists by the first numbers that differ. */
function compareLists(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((value, i) => value !== b[i]);
  return index < 0 ? 0 : a[index] - b[index];
}

/**
 * The sort key of a choice. Choices that fit come first, by step time; among equals the simplest,
 * and without times the one with the least sharding. Choices that do not fit follow by memory. The
 * order does not depend on the order of the search.
 */
function sortKey({prediction, choice}: EvaluatedChoice): number[] {
  const {tensor, pipeline, zero, microBatch} = choice;
  const {total} = prediction.memory;
  const complexity = [
    tensor * pipeline,
    zero,
    tensor,
    ['none', 'selective', 'full'].indexOf(choice.recompute),
    total,
    microBatch,
  ];
  return prediction.fits
    ? [0, prediction.stepSeconds ?? 0, ...complexity]
    : [1, total, prediction.stepSeconds ?? 0, ...complexity];
}

function evaluateAll(spec: CheckedSpec, parameters: number): EvaluatedChoice[] {
  return choicesOf(spec)
    .map((choice) => {
      const evaluated = evaluateChoice(spec, parameters, choice);
      return {evaluated, key: sortKey(evaluated)};
    })
    .sort((a, b) => compareLists(a.key, b.key))
    .map(({evaluated}) => evaluated);
}

/** The best choice of each mesh, stage of ZeRO and recompute, in their order. */
function bestOfEach(choices: readonly EvaluatedChoice[]): EvaluatedChoice[] {
  const seen = new Set<string>();
  return choices.filter(({choice: {data, tensor, pipeline, zero, recompute}}) => {
    const key = [data, tensor, pipeline, zero, recompute].join();
    return !seen.has(key) && seen.add(key);
  });
}

/**
 * Seconds of a step on a single device; null where the model does not fit there or the spec fixes
 * the mesh.
 */
function singleDeviceSeconds(spec: CheckedSpec, parameters: number): number | null {
  const {data, tensor, pipeline, ...rest} = spec.fixed;
  if (
    !spec.sizes ||
    rest.stagesPerRank > 1 ||
    spec.machine.devices === 1 ||
    data !== undefined ||
    tensor !== undefined ||
    pipeline !== undefined
  )
    return null;
  const singleDevice: CheckedSpec = {
    ...spec,
    machine: {...spec.machine, devices: 1, devicesPerNode: 1},
    fixed: rest,
  };
  const [best] = evaluateAll(singleDevice, parameters);
  return best.prediction.fits ? best.prediction.stepSeconds : null;
}

/** A plan, and how many choices were evaluated for it. */
export interface CountedPlan {
  plan: SpecPlan;
  /** The number of choices evaluated, including those without a row. */
  evaluated: number;
}

/** `planSpec`, with the number of choices evaluated. Throws BAD_OPTION. */
export function planSpecCounted(value: TransformerSpec): CountedPlan {
  const spec = readSpec(value);
  const parameters =
    'parameters' in spec.model ? spec.model.parameters : transformerParameters(spec.model);
  const choices = evaluateAll(spec, parameters);
  const copies = choices.filter(
    ({choice}) => choice.zero === 0 && choice.tensor * choice.pipeline === 1,
  );
  const shown = choices.length > MOST_ROWS ? bestOfEach(choices) : choices;
  const search: SearchSummary = {
    count: choices.length,
    singleDeviceSeconds: singleDeviceSeconds(spec, parameters),
    copyFits: copies.length === 0 ? null : copies.some(({prediction}) => prediction.fits),
  };
  const rows = shown.map((evaluated, index) => ({
    strategy: evaluated.strategy,
    prediction: evaluated.prediction,
    reason: reasonOf(evaluated, index, shown[0], spec, search),
  }));
  return {
    plan: {parameters, flopsPerStep: spec.sizes && modelFlops(spec.sizes, spec.batchSize), rows},
    evaluated: choices.length,
  };
}

/**
 * Plans the training of a transformer with Adam, without a model or a device, and returns rows, best
 * first. It evaluates every mesh whose product is the number of devices, with every stage of ZeRO,
 * micro-batch and recompute that divide evenly and agree with `fixed`. There are at most 1000 rows;
 * where there are more choices, the best micro-batch of each mesh, stage of ZeRO and recompute.
 *
 * Memory in bytes follows the papers: state by ZeRO (Rajbhandari et al. 2020), activations by
 * Korthikanti et al. 2022. It does not include gathered weights, the layer that is being recomputed,
 * message buffers and the allocator's overhead. Time in seconds is arithmetic at `efficiency` of the
 * peak, plus messages that overlap with nothing. Tensor is the innermost axis of the mesh, and stays
 * within a node unless `fixed`. Throws BAD_OPTION with the key, its value and what is allowed.
 */
export function planSpec(spec: TransformerSpec): SpecPlan {
  return planSpecCounted(spec).plan;
}
