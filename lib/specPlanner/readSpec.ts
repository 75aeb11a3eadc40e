/**
 * Reads a spec: checks every key and value and fills in the defaults. A refusal names the key, its
 * value and what is allowed.
 */
import {divisors} from '../base/numbers';
import {
  anObject,
  nameFrom,
  numberFrom,
  positiveNumber,
  positiveShare,
  readOptions,
  refuseOption,
  trueOrFalse,
  wholeNumber,
  type OptionTable,
} from '../base/options';
import {RECIPE_OPTIONS, RECIPES, type TransformerSizes} from '../memoryEstimate/formulas';
import {oneOf, shown} from '../base/errors';
import {SCHEDULE_NAMES} from '../pipelineParallel/namedSchedules';
import type {CheckedSpec, SpecChoice, SpecMachine, TransformerSpec} from './spec';

/** Beyond these, products of sizes are no longer exact. */
const count = wholeNumber(1, 1e9);
const SPEC: OptionTable<TransformerSpec> = {
  model: anObject,
  machine: anObject,
  batchSize: count,
  precision: nameFrom(['mixed', 'float32']),
  'recipe?': anObject,
  'fixed?': anObject,
};
const SIZES: OptionTable<TransformerSizes> = {
  layers: count,
  hidden: count,
  heads: count,
  vocab: count,
  sequence: count,
  'ffn?': count,
};
const PARAMETERS: OptionTable<{parameters: number}> = {parameters: wholeNumber(1, 1e15)};
const bandwidth = positiveNumber('bytes a second', '80e9');
const MACHINE: OptionTable<SpecMachine> = {
  devices: wholeNumber(1, 1e6),
  devicesPerNode: count,
  memoryBytes: positiveNumber('bytes', '80e9'),
  flopsPerSecond: positiveNumber('operations a second', '80e9'),
  'efficiency?': positiveShare,
  nodeBandwidth: bandwidth,
  networkBandwidth: bandwidth,
  'latency?': numberFrom(0, 'seconds'),
};
const FIXED: OptionTable<Partial<SpecChoice>> = {
  'data?': count,
  'tensor?': count,
  'pipeline?': count,
  'microBatch?': count,
  'zero?': wholeNumber(0, 3),
  'recompute?': nameFrom(['none', 'selective', 'full']),
  'sequenceParallel?': trueOrFalse,
  'stagesPerRank?': count,
  'schedule?': nameFrom(SCHEDULE_NAMES),
};

/** Throws BAD_OPTION, as every refusal of a spec does. */
export function refuseSpec(message: string): never {
  refuseOption(`spec: ${message}`);
}

function readPart<T extends object>(path: string, value: T, table: OptionTable<T>): T {
  return readOptions('spec', value, table, {path, noun: 'key'});
}

/**
 * Returns the spec with its defaults filled in. Throws BAD_OPTION for an unknown key, a bad value or
 * an impossible combination of sizes.
 */
export function readSpec(value: unknown): CheckedSpec {
  if (!anObject.accepts(value))
    refuseSpec(
      `it must be an object, {"model": {...}, "machine": {...}, "batchSize": n, "precision": "mixed"}; it is ${shown(value)}.`,
    );
  const spec = readOptions('spec', value as TransformerSpec, SPEC, {noun: 'key'});
  if ('parameters' in spec.model && Object.keys(spec.model).length > 1) {
    const others = Object.keys(spec.model).filter((key) => key !== 'parameters');
    refuseSpec(
      `model has 'parameters' and ${oneOf(others)}; it must be {parameters} alone, or the sizes ${Object.keys(SIZES).slice(0, -1).join(', ')} (and ffn), from which parameters are counted.`,
    );
  }
  if ('parameters' in spec.model) readPart('model', spec.model, PARAMETERS);
  else readPart('model', spec.model, SIZES);
  readPart('machine', spec.machine, MACHINE);
  if (spec.recipe !== undefined) readPart('recipe', spec.recipe, RECIPE_OPTIONS);
  const {fixed = {}} = spec;
  if ('mesh' in fixed)
    refuseSpec(
      'there is no key \'fixed.mesh\'; write its axes themselves: {"data": 2, "tensor": 4, "pipeline": 1}.',
    );
  readPart('fixed', fixed, FIXED);

  let sizes: CheckedSpec['sizes'] = null;
  if (!('parameters' in spec.model)) {
    sizes = {...spec.model, ffn: spec.model.ffn ?? 4 * spec.model.hidden};
    const {hidden, heads} = sizes;
    if (hidden % heads !== 0)
      refuseSpec(
        `model.heads is ${heads}, which does not divide model.hidden ${hidden}: each head takes hidden/heads places. Allowed: ${someOf(divisors(hidden))}.`,
      );
  }
  const schedule = fixed.schedule ?? ((fixed.stagesPerRank ?? 1) > 1 ? 'interleaved-1f1b' : '1f1b');
  const stagesPerRank = fixed.stagesPerRank ?? (schedule === 'interleaved-1f1b' ? 2 : 1);
  return {
    ...spec,
    sizes,
    machine: {
      ...spec.machine,
      devicesPerNode: Math.min(spec.machine.devicesPerNode, spec.machine.devices),
      efficiency: spec.machine.efficiency ?? 0.5,
      latency: spec.machine.latency ?? 0,
    },
    recipe: spec.recipe ?? RECIPES[spec.precision],
    fixed: {...fixed, sequenceParallel: fixed.sequenceParallel ?? false, stagesPerRank, schedule},
  };
}

/** Lists the allowed numbers; leaves out the middle ones where there are many. */
export function someOf(numbers: readonly number[]): string {
  if (numbers.length === 0) return 'none';
  return numbers.length <= 12
    ? numbers.join(', ')
    : `${numbers.slice(0, 8).join(', ')}, ..., ${numbers.slice(-2).join(', ')}`;
}
