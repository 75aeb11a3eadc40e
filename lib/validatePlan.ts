/**
 * `proof(model, data, rows)`: a plan tested by running it.
 */
import {median, rankCorrelation, ratioInterval} from './base/statistics';
import type * as tf from '@tensorflow/tfjs';
import type {Data, ShapedArray} from './base/arrays';
import {ManyHandsError, shown} from './base/errors';
import {describeModel, type ModuleReference} from './model/describe';
import {disposeModel, rebuildModel} from './model/rebuild';
import {rowName, type PlanRow} from './planner/plan';
import {readArrays} from './job/placeData';
import type {TrainResult} from './run/result';
import {train} from './run/train';
import {trainParallel} from './trainParallel';

/** How a plan is tested. */
export interface ValidatePlanOptions {
  /** About how long all runs may take, in seconds; there are three rounds at least. @default 30 */
  seconds?: number;
  /**
   * The devices that the plan was made for: how many, or their ids. @default as many as the largest
   * row takes
   */
  devices?: number | string[];
  /** As the option of `train`. */
  modules?: ModuleReference[];
}

/** One row that was run. */
export interface ValidatedRow {
  /** What a table calls it. */
  name: string;
  row: PlanRow;
  /** Seconds of a step, as the plan has it. */
  predictedSeconds: number;
  /** Seconds of the median step, the median over the rounds. */
  measuredSeconds: number;
  /** Bytes of the fullest device, as the plan has it. */
  predictedBytes: number;
  /** Bytes of the fullest device, measured. */
  measuredBytes: number;
  /** Its time by that of the plan's first row, round by round: the 95 % interval of the mean. */
  interval: [number, number];
}

/** What the runs said of a plan. */
export interface PlanValidation {
  /** The plan's first three that fit, and of the others that fit the one that it calls worst. */
  rows: ValidatedRow[];
  /** How often each row was run. */
  rounds: number;
  /** Spearman's, of predicted and measured times, from -1 to 1; null where it cannot be told. */
  rankCorrelation: number | null;
  /**
   * What the plan's first row takes beyond the best that was run, as a share of that one's time; 0
   * where it is the best.
   */
  regret: number;
  /** Whether the regret is at most 5 %, or the best's interval by the first row reaches 1. */
  right: boolean;
}

const STEPS = 8;
/**
 * The first steps of a run find threads and code that are not warm yet: so many seconds of each run
 * do not count.
 */
const WARM_SECONDS = 0.2;
const RUN_SECONDS = 0.6;
const MOST_EPOCHS = 50;
const LEAST_ROUNDS = 3;
const GOOD = 0.05;

/** The first three, and a deliberate loser: of the rest the one that is foretold to be worst. */
function chosen(rows: readonly PlanRow[]): PlanRow[] {
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

/**
 * The median of the steps after the warm-up, which is a quarter of them at least and three quarters
 * at most.
 */
function settled(steps: readonly number[]): number {
  let [first, spent] = [0, 0];
  while (first < steps.length && spent < WARM_SECONDS) spent += steps[first++];
  const from = Math.min(
    Math.floor((3 * steps.length) / 4),
    Math.max(Math.ceil(steps.length / 4), first),
  );
  return median(steps.slice(from));
}

/** The data of a few steps; a described data set stays as it is. */
function few(data: Data, samples: number): Data {
  if (data !== null && typeof data === 'object' && 'module' in data) return data;
  const {xs, ys} = readArrays(data, 'data');
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
 * Runs the plan's first three rows and a deliberate loser in turn, round after round, on copies of
 * `model`, for about `seconds`, and sets what was measured beside what was foretold. `model` is not
 * trained. `data` should have eight batches. Throws BAD_OPTION, and what the runs throw.
 */
export async function validatePlan(
  model: tf.LayersModel,
  data: Data,
  rows: readonly PlanRow[],
  options: ValidatePlanOptions = {},
): Promise<PlanValidation> {
  const {seconds = 30, modules = []} = options;
  if (!(seconds > 0))
    throw new ManyHandsError(
      'BAD_OPTION',
      `proof: seconds must be above 0; it is ${shown(seconds)}.`,
    );
  if (!Array.isArray(rows) || rows.length === 0 || !rows.every((row) => row?.prediction))
    throw new ManyHandsError(
      'BAD_OPTION',
      `proof wants the rows of a plan; it got ${shown(rows)}.`,
    );
  const running = chosen(rows as PlanRow[]);
  if (running.length === 0)
    throw new ManyHandsError(
      'BAD_OPTION',
      'proof: no row of the plan fits, so there is nothing to run: give plan a larger memoryLimit, or a smaller batchSize.',
    );
  const {batchSize} = running[0].prediction;
  const devices = options.devices ?? Math.max(...rows.map((row) => row.strategy.devices));
  const description = await describeModel(model, modules);
  const part = few(data, STEPS * batchSize);

  const run = async (row: PlanRow): Promise<TrainResult> => {
    const copy = await rebuildModel(description);
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
      const one = Array.isArray(devices) ? devices.slice(0, 1) : 1;
      return row.strategy.devices === 1
        ? await train(copy, part, {...common, microBatches, recompute, devices: one})
        : await trainParallel(copy, part, {...common, devices, strategy: row.strategy});
    } finally {
      disposeModel(copy);
    }
  };

  const times = running.map((): number[] => []);
  const bytes = running.map(() => 0);
  const start = performance.now();
  let rounds = 0;
  for (
    let last = 0;
    rounds < LEAST_ROUNDS || performance.now() - start + last < 1000 * seconds;
    rounds++
  ) {
    const begun = performance.now();
    for (const [i, row] of running.entries()) {
      const {record, memory} = await run(row);
      times[i].push(settled(record.steps.map((step) => step.seconds)));
      bytes[i] = Math.max(...memory.map(({peakBytes}) => peakBytes));
    }
    last = performance.now() - begun;
  }
  const proved = running.map(
    (row, i): ValidatedRow => ({
      name: rowName(row),
      row,
      predictedSeconds: row.prediction.stepSeconds,
      measuredSeconds: median(times[i]),
      predictedBytes: row.prediction.memory.total,
      measuredBytes: bytes[i],
      interval: ratioInterval(times[i].map((time, round) => time / times[0][round])),
    }),
  );
  const best = proved.reduce((least, one) =>
    one.measuredSeconds < least.measuredSeconds ? one : least,
  );
  const regret = proved[0].measuredSeconds / best.measuredSeconds - 1;
  return {
    rows: proved,
    rounds,
    regret,
    right: regret <= GOOD || best.interval[1] >= 1,
    rankCorrelation: rankCorrelation(
      proved.map(({predictedSeconds}) => predictedSeconds),
      proved.map(({measuredSeconds}) => measuredSeconds),
    ),
  };
}
