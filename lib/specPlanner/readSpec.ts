/**
 * Reads a spec: every key known, every value in its range, defaults filled in. A
 * refusal names key, value and what is allowed.
 */
import {divisors} from '../base/numbers';
import {RECIPES} from '../memoryEstimate/formulas';
import {ManyHandsError, oneOf, shown} from '../base/errors';
import {nearest} from '../base/nearest';
import {SCHEDULE_NAMES} from '../pipelineParallel/namedSchedules';
import type {CheckedSpec, TransformerSpec} from './spec';

type Check = (value: unknown) => string | null;

const MOST = 1e9;
const whole =
  (least: number, most: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most
      ? null
      : `a whole number from ${least} to ${most}`;
const above =
  (unit: string): Check =>
  (value) =>
    typeof value === 'number' && Number.isFinite(value) && value > 0
      ? null
      : `a number of ${unit} above 0, such as 80e9`;
const from0 =
  (unit: string): Check =>
  (value) =>
    typeof value === 'number' && Number.isFinite(value) && value >= 0
      ? null
      : `a number of ${unit} from 0`;
const share: Check = (value) =>
  typeof value === 'number' && value > 0 && value <= 1 ? null : 'a number above 0, up to 1';
const word =
  (names: readonly string[]): Check =>
  (value) =>
    names.includes(value as string) ? null : oneOf(names);
const trueOrFalse: Check = (value) => (typeof value === 'boolean' ? null : 'true or false');
const object: Check = (value) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? null : 'an object, {...}';

/** A key and its check; one whose name ends in `?` may be left out. */
type Keys = Record<string, Check>;

const count = whole(1, MOST);
const SPEC: Keys = {
  model: object,
  machine: object,
  batchSize: count,
  precision: word(['mixed', 'float32']),
  'recipe?': object,
  'fixed?': object,
};
const SIZES: Keys = {
  layers: count,
  hidden: count,
  heads: count,
  vocab: count,
  sequence: count,
  'ffn?': count,
};
const PARAMETERS: Keys = {parameters: whole(1, 1e15)};
const MACHINE: Keys = {
  devices: whole(1, 1e6),
  devicesPerNode: whole(1, MOST),
  memoryBytes: above('bytes'),
  flopsPerSecond: above('operations a second'),
  'efficiency?': share,
  nodeBandwidth: above('bytes a second'),
  networkBandwidth: above('bytes a second'),
  'latency?': from0('seconds'),
};
const RECIPE: Keys = {
  parameters: from0('bytes'),
  gradients: from0('bytes'),
  optimizer: from0('bytes'),
};
const FIXED: Keys = {
  'data?': count,
  'tensor?': count,
  'pipeline?': count,
  'microBatch?': count,
  'zero?': whole(0, 3),
  'recompute?': word(['none', 'selective', 'full']),
  'sequenceParallel?': trueOrFalse,
  'stagesPerRank?': count,
  'schedule?': word(SCHEDULE_NAMES),
};

/** A refusal of a spec: always BAD_OPTION. */
export function refuseSpec(message: string): never {
  throw new ManyHandsError('BAD_OPTION', `spec: ${message}`);
}

/** Checks one object's keys and values; `at` is its place, '' or 'machine.'. */
function checkKeys(at: string, value: object, keys: Keys): void {
  const given = value as Record<string, unknown>;
  const names = Object.keys(keys).map((key) => key.replace('?', ''));
  for (const key of Object.keys(given)) {
    if (names.includes(key)) continue;
    refuseSpec(
      `there is no key '${at}${key}'; did you mean '${at}${nearest(key, names)}'? Allowed here: ${names.join(', ')}.`,
    );
  }
  for (const [key, check] of Object.entries(keys)) {
    const name = key.replace('?', '');
    if (given[name] === undefined) {
      if (!key.endsWith('?'))
        refuseSpec(`'${at}${name}' is missing; it must be ${check(undefined)}.`);
      continue;
    }
    const allowed = check(given[name]);
    if (allowed !== null)
      refuseSpec(
        `${at}${name} is ${typeof given[name] === 'number' ? given[name] : shown(given[name])}; it must be ${allowed}.`,
      );
  }
}

/**
 * A spec with its defaults. Throws BAD_OPTION for a key, a value or a combination of sizes that
 * cannot be.
 */
export function readSpec(value: unknown): CheckedSpec {
  if (object(value) !== null)
    refuseSpec(
      `it is ${shown(value)}; it must be an object, {"model": {...}, "machine": {...}, "batchSize": n, "precision": "mixed"}.`,
    );
  checkKeys('', value as object, SPEC);
  const spec = value as TransformerSpec;
  const alone = 'parameters' in spec.model;
  if (alone && Object.keys(spec.model).length > 1) {
    const others = Object.keys(spec.model).filter((key) => key !== 'parameters');
    refuseSpec(
      `model has 'parameters' and ${oneOf(others)}; it must be {parameters} alone, or the sizes ${Object.keys(SIZES).slice(0, -1).join(', ')} (and ffn), from which parameters are counted.`,
    );
  }
  checkKeys('model.', spec.model, alone ? PARAMETERS : SIZES);
  checkKeys('machine.', spec.machine, MACHINE);
  if (spec.recipe !== undefined) checkKeys('recipe.', spec.recipe, RECIPE);
  const {fixed = {}} = spec;
  if ('mesh' in fixed)
    refuseSpec(
      'there is no key \'fixed.mesh\'; write its axes themselves: {"data": 2, "tensor": 4, "pipeline": 1}.',
    );
  checkKeys('fixed.', fixed, FIXED);

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

/** Allowed numbers, the middle ones left out where there are many. */
export function someOf(numbers: readonly number[]): string {
  if (numbers.length === 0) return 'none';
  return numbers.length <= 12
    ? numbers.join(', ')
    : `${numbers.slice(0, 8).join(', ')}, ..., ${numbers.slice(-2).join(', ')}`;
}
