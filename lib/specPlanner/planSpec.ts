/**
 * Plans a transformer from a spec: every choice that makes sense, best first. Numbers
 * alone: no model, no engine.
 */
import {transformerParameters} from '../memoryEstimate/formulas';
import type {CheckedSpec, SpecPlan, TransformerSpec} from './spec';
import {choicesOf} from './choices';
import {readSpec} from './readSpec';
import {modelFlops} from './formulas';
import {reasonOf, type Tried} from './reasons';
import {evaluateChoice, type Evaluated} from './row';

/**
 * As many rows at most that show every choice; more show the best micro-batch of each mesh, stage
 * of ZeRO and recompute.
 */
const MOST_ROWS = 1000;

/** Numbers in turn, the first that differ decide. */
function compare(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((value, i) => value !== other[i]);
  return at < 0 ? 0 : one[at] - other[at];
}

/**
 * What fits comes before what does not. Of what fits the fastest, of equals the simplest; by state
 * alone, the least cut up. Of what does not fit, the least memory. The order never depends on how
 * choices were found.
 */
function order({row, choice}: Evaluated): number[] {
  const {tensor, pipeline, zero, microBatch} = choice;
  const {total} = row.memory;
  const simple = [
    tensor * pipeline,
    zero,
    tensor,
    ['none', 'selective', 'full'].indexOf(choice.recompute),
    total,
    microBatch,
  ];
  return row.fits
    ? [0, row.stepSeconds ?? 0, ...simple]
    : [1, total, row.stepSeconds ?? 0, ...simple];
}

function sorted(all: readonly Evaluated[]): Evaluated[] {
  return all
    .map((one) => ({one, key: order(one)}))
    .sort((a, b) => compare(a.key, b.key))
    .map(({one}) => one);
}

/** The best of each mesh, stage of ZeRO and recompute, in their order. */
function bestOfEach(all: readonly Evaluated[]): Evaluated[] {
  const seen = new Set<string>();
  return all.filter(({choice: {data, tensor, pipeline, zero, recompute}}) => {
    const key = [data, tensor, pipeline, zero, recompute].join();
    return !seen.has(key) && seen.add(key);
  });
}

/**
 * Seconds of a step on one device by itself, null where it does not fit there or the mesh is fixed.
 */
function aloneSeconds(spec: CheckedSpec, parameters: number): number | null {
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
  const alone: CheckedSpec = {
    ...spec,
    machine: {...spec.machine, devices: 1, devicesPerNode: 1},
    fixed: rest,
  };
  const [best] = sorted(
    choicesOf(alone).map((choice) => evaluateChoice(alone, parameters, choice)),
  );
  return best.row.fits ? best.row.stepSeconds : null;
}

/** A plan, and how many choices were tried for its rows. */
export interface CountedPlan {
  plan: SpecPlan;
  /** Choices tried, those without a row of their own too. */
  tried: number;
}

/** `planSpec`, with the count of what was tried. Throws BAD_OPTION. */
export function planSpecCounted(value: TransformerSpec): CountedPlan {
  const spec = readSpec(value);
  const parameters =
    'parameters' in spec.model ? spec.model.parameters : transformerParameters(spec.model);
  const all = sorted(choicesOf(spec).map((choice) => evaluateChoice(spec, parameters, choice)));
  const copies = all.filter(
    ({choice}) => choice.zero === 0 && choice.tensor * choice.pipeline === 1,
  );
  const kept = all.length > MOST_ROWS ? bestOfEach(all) : all;
  const tried: Tried = {
    count: all.length,
    aloneSeconds: aloneSeconds(spec, parameters),
    copyFits: copies.length === 0 ? null : copies.some(({row}) => row.fits),
  };
  const rows = kept.map((one, rank) => ({
    ...one.row,
    reason: reasonOf(one, rank, kept[0], spec, tried),
  }));
  return {
    plan: {parameters, flopsPerStep: spec.sizes && modelFlops(spec.sizes, spec.batchSize), rows},
    tried: all.length,
  };
}

/**
 * Plans the training of a transformer with Adam: every mesh that multiplies to the devices, stage
 * of ZeRO, micro-batch and recompute that divides evenly, around what `fixed` says; at most 1000
 * rows, of more the best micro-batch of each mesh, stage of ZeRO and recompute.
 *
 * Memory is the papers': state by ZeRO (Rajbhandari et al. 2020), activations by Korthikanti et al.
 * 2022; gathered weights, the layer that is computed again, message buffers and the allocator's
 * waste are not in it. Time is arithmetic at `efficiency` of the peak, and messages that overlap
 * with nothing. Tensor is the innermost axis of the mesh, within a node unless fixed. Throws
 * BAD_OPTION, naming key, value and what is allowed.
 */
export function planSpec(spec: TransformerSpec): SpecPlan {
  return planSpecCounted(spec).plan;
}
