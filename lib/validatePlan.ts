/**
 * `validatePlan(model, data, rows)`: runs some rows of a plan and compares them with its
 * predictions.
 */
import {median, rankCorrelation, ratioInterval} from './base/statistics';
import type * as tf from '@tensorflow/tfjs';
import type {Data, ShapedArray} from './base/arrays';
import {refuseFitForm} from './base/callForm';
import {shown} from './base/errors';
import {
  anything,
  positiveNumber,
  readOptions,
  refuseOption,
  type OptionTable,
} from './base/options';
import {describeModel, moduleList, type ModuleReference} from './model/describe';
import {copyModel, disposeModel} from './model/rebuild';
import {dataNamesOf} from './model/tfjsInternals';
import {rowName, type PlanRow} from './planner/plan';
import {readArrays} from './job/readData';
import type {TrainResult} from './run/result';
import {train} from './run/train';
import {trainParallel} from './trainParallel';

/** How a plan is validated. */
export interface ValidatePlanOptions {
  /**
   * About how many seconds all runs may take together; there are at least three rounds. @default 30
   */
  seconds?: number;
  /**
   * The devices that the plan was made for: their number, or their ids. @default as many as the row
   * with the most devices uses
   */
  devices?: number | string[];
  /** The same as the option `modules` of `train`. */
  modules?: ModuleReference[];
}

/** One row that was run. */
export interface ValidatedRow {
  /** Its name in a table. */
  name: string;
  row: PlanRow;
  /** Predicted seconds of a step. */
  predictedSeconds: number;
  /** Measured seconds of a step: the median of each round's median step. */
  measuredSeconds: number;
  /** Predicted bytes on the fullest device. */
  predictedBytes: number;
  /** Measured bytes on the fullest device. */
  measuredBytes: number;
  /**
   * The 95 % interval of the mean ratio of its time to that of the plan's first row, over the
   * rounds.
   */
  interval: [number, number];
}

/** The result of validating a plan. */
export interface PlanValidation {
  /**
   * The plan's first three rows that fit, and the one predicted slowest among the others that fit.
   */
  rows: ValidatedRow[];
  /** How often each row was run. */
  rounds: number;
  /**
   * Spearman's rank correlation of predicted and measured times, from -1 to 1; null where all times
   * are equal or there are fewer than two rows.
   */
  rankCorrelation: number | null;
  /**
   * How much longer the plan's first row takes than the fastest row, as a share of the fastest
   * row's time; 0 if the first row is the fastest.
   */
  regret: number;
  /** Whether the regret is at most 5 %, or the fastest row's interval reaches 1. */
  right: boolean;
}

const OPTIONS: OptionTable<ValidatePlanOptions> = {
  'seconds?': positiveNumber('seconds'),
  // `train` and `trainParallel` check these.
  'devices?': anything,
  'modules?': moduleList,
};

const STEPS = 8;
/** Seconds at the start of each run that do not count: threads and code are not warm yet. */
const WARM_SECONDS = 0.2;
const RUN_SECONDS = 0.6;
const MOST_EPOCHS = 50;
const LEAST_ROUNDS = 3;
const GOOD = 0.05;

/** The first three rows that fit, and the one predicted slowest among the others that fit. */
function rowsToRun(rows: readonly PlanRow[]): PlanRow[] {
  const fitting = rows.filter(({prediction: {fits}}) => fits);
  const worst = fitting
    .slice(3)
    .reduce<PlanRow | null>(
      (most, row) =>
        !most || row.prediction.stepSeconds > most.prediction.stepSeconds ? row : most,
      null,
    );
  return [...fitting.slice(0, 3), ...(worst ? [worst] : [])];
}

/** The median of the steps after the warm-up, which takes between a quarter and three quarters. */
function medianAfterWarmUp(steps: readonly number[]): number {
  let [first, spent] = [0, 0];
  while (first < steps.length && spent < WARM_SECONDS) spent += steps[first++];
  const from = Math.min(
    Math.floor((3 * steps.length) / 4),
    Math.max(Math.ceil(steps.length / 4), first),
  );
  return median(steps.slice(from));
}

/** The first `samples` samples of the data; a data module stays as it is. */
function firstSamples(model: tf.LayersModel, data: Data, samples: number): Data {
  if (data !== null && typeof data === 'object' && 'module' in data) return data;
  const {xs, ys} = readArrays(data, 'data', dataNamesOf(model));
  const cut = (arrays: ShapedArray[]) =>
    arrays.map(({values, shape, scale}) => {
      const kept = Math.min(samples, shape[0]);
      return {
        values: values.slice(0, (values.length / shape[0]) * kept),
        shape: [kept, ...shape.slice(1)],
        scale,
      };
    });
  return {xs: cut(xs), ys: cut(ys)};
}

/**
 * Validates a plan: trains copies of `model` by some of its rows and returns, for each, the
 * measured seconds of a step and bytes of the fullest device next to the predicted ones, and
 * whether the plan's first row was a good choice. It runs the first three rows that fit and a
 * deliberate loser (the row predicted slowest) in turn, round after round, for about `seconds`.
 * Predicted and measured times are compared by Spearman's rank correlation; intervals are Student's
 * t of the logarithms of ratios. `model` itself is not trained. `data` should have at least eight
 * batches of the plan's batch size.
 *
 * Throws BAD_OPTION for an unknown option, for `rows` that are not a plan's, and for a plan in
 * which no row fits; otherwise it throws what `train` and `trainParallel` throw.
 */
export async function validatePlan(
  model: tf.LayersModel,
  data: Data,
  rows: readonly PlanRow[],
  options: ValidatePlanOptions = {},
): Promise<PlanValidation> {
  refuseFitForm('validatePlan', data, rows, {takes: 'rows, options', write: 'await plan(model)'});
  const {seconds = 30, modules = []} = readOptions('validatePlan', options, OPTIONS);
  if (!Array.isArray(rows) || rows.length === 0 || !rows.every((row) => row?.prediction))
    refuseOption(`validatePlan: rows must be the rows of a plan; they are ${shown(rows)}.`);
  const running = rowsToRun(rows as PlanRow[]);
  if (running.length === 0)
    refuseOption(
      'validatePlan: no row of the plan fits, so there is nothing to run: give plan a larger memoryLimit, or a smaller batchSize.',
    );
  const {batchSize} = running[0].prediction;
  const devices = options.devices ?? Math.max(...rows.map((row) => row.strategy.devices));
  const description = await describeModel(model, modules, 'validatePlan');
  const part = firstSamples(model, data, STEPS * batchSize);

  const run = async (row: PlanRow): Promise<TrainResult> => {
    const copy = await copyModel(model, description);
    const epochs = Math.min(
      MOST_EPOCHS,
      Math.max(1, Math.ceil(RUN_SECONDS / (STEPS * row.prediction.stepSeconds))),
    );
    const common = {
      batchSize,
      epochs,
      threads: 1,
      shuffle: false,
      seed: 1,
      verbose: 0 as const,
      trace: false,
      modules,
    };
    try {
      const {microBatches, recompute} = row.strategy;
      const firstDevice = Array.isArray(devices) ? devices.slice(0, 1) : 1;
      return row.strategy.devices === 1
        ? await train(copy, part, {...common, microBatches, recompute, devices: firstDevice})
        : await trainParallel(copy, part, {...common, devices, strategy: row.strategy});
    } finally {
      disposeModel(copy);
    }
  };

  const times = running.map((): number[] => []);
  const peakBytes = running.map(() => 0);
  const start = performance.now();
  let rounds = 0;
  for (
    let lastRound = 0;
    rounds < LEAST_ROUNDS || performance.now() - start + lastRound < 1000 * seconds;
    rounds++
  ) {
    const roundStart = performance.now();
    for (const [i, row] of running.entries()) {
      const {record, memory} = await run(row);
      times[i].push(medianAfterWarmUp(record.steps.map((step) => step.seconds)));
      peakBytes[i] = Math.max(...memory.map((use) => use.peakBytes));
    }
    lastRound = performance.now() - roundStart;
  }
  const validated = running.map(
    (row, i): ValidatedRow => ({
      name: rowName(row),
      row,
      predictedSeconds: row.prediction.stepSeconds,
      measuredSeconds: median(times[i]),
      predictedBytes: row.prediction.memory.total,
      measuredBytes: peakBytes[i],
      interval: ratioInterval(times[i].map((time, round) => time / times[0][round])),
    }),
  );
  const fastest = validated.reduce((least, row) =>
    row.measuredSeconds < least.measuredSeconds ? row : least,
  );
  const regret = validated[0].measuredSeconds / fastest.measuredSeconds - 1;
  return {
    rows: validated,
    rounds,
    regret,
    right: regret <= GOOD || fastest.interval[1] >= 1,
    rankCorrelation: rankCorrelation(
      validated.map(({predictedSeconds}) => predictedSeconds),
      validated.map(({measuredSeconds}) => measuredSeconds),
    ),
  };
}
