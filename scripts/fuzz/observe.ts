/**
 * Runs a program through fit, `train` or a strategy, and observes everything that must be equal.
 */
import {compileFunction} from 'node:vm';
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError, messageOf} from '../../lib/base/errors';
import {onRun} from '../../lib/base/events';
import type {TrainOptions, TrainParallelOptions} from '../../lib/config/options';
import {describeState, stateTensors} from '../../lib/model/optimizerState';
import {weightsOf, type LayerWeight} from '../../lib/model/tfjsInternals';
import {train} from '../../lib/run/train';
import {trainParallelOver} from '../../lib/trainParallel';
import type {Program, RunSpec} from './program';
import {programSource} from './source';

export interface NamedValues {
  name: string;
  values: Float32Array;
}

/** Everything that two runs must agree on. */
export interface Observed {
  /** Of each step. */
  losses: number[];
  batchLogs: Array<Record<string, number>>;
  history: Record<string, number[]>;
  epochs: number[];
  before: NamedValues[];
  weights: NamedValues[];
  optimizer: NamedValues[];
  /** Tensors that the run left in this process, besides the model. */
  leaked: number;
  warnings: string[];
}

export type Outcome =
  | {kind: 'ran'; observed: Observed}
  | {kind: 'refused'; code: string; message: string; touched: string | null}
  | {kind: 'failed'; message: string};

interface Data {
  xs: tf.Tensor[];
  ys: tf.Tensor[];
}

interface Functions {
  make(noise: number): tf.LayersModel;
  data(model: tf.LayersModel, samples: number, seed: number): Data;
  callbacks(model: tf.LayersModel): Array<tf.CustomCallbackArgs | tf.Callback>;
}

const HANG_MS = 40_000;
const REFUSALS = ['BAD_MODEL', 'BAD_DATA', 'BAD_OPTION', 'NOT_YET', 'BAD_SCHEDULE'];

function functionsOf(program: Program): Functions {
  const source = `${programSource(program)}\nreturn {make, data, callbacks};`;
  return compileFunction(source, ['tf'])(tf) as Functions;
}

const valuesOf = (weights: LayerWeight[]): NamedValues[] =>
  weights.map((weight) => ({
    name: weight.originalName,
    values: Float32Array.from(weight.read().dataSync()),
  }));

/** The optimizer's counters and moments, in its order. */
function optimizerOf({optimizer}: tf.LayersModel): NamedValues[] {
  const state = describeState(optimizer);
  const {iterations} = optimizer as tf.Optimizer & {iterations: number};
  return [
    {name: 'iterations', values: Float32Array.of(iterations)},
    ...stateTensors(optimizer, state).map((tensor, i) => ({
      name: String(i),
      values: Float32Array.from(tensor.dataSync()),
    })),
  ];
}

/** What was printed while `run` ran: warnings of this process and output of workers. */
async function listening<T>(run: () => Promise<T>): Promise<{result: T; warnings: string[]}> {
  const warnings: string[] = [];
  const warn = console.warn;
  const onWarning = (warning: Error) => void warnings.push(warning.message);
  console.warn = (...words: unknown[]) => void warnings.push(words.map(String).join(' '));
  process.on('warning', onWarning);
  const stop = onRun((event) => {
    if (event.type === 'output') warnings.push(event.text.trim());
  });
  try {
    return {result: await run(), warnings};
  } finally {
    console.warn = warn;
    process.off('warning', onWarning);
    stop();
  }
}

/** One model with its data, and what a run of it must report. */
class Session {
  readonly model: tf.LayersModel;
  readonly data: Data;
  readonly validation: Data | null;
  readonly before: NamedValues[];
  readonly batchLogs: Array<Record<string, number>> = [];
  private readonly tracked: LayerWeight[];
  private readonly functions: Functions;

  constructor(
    readonly program: Program,
    noise: number,
  ) {
    this.functions = functionsOf(program);
    this.model = this.functions.make(noise);
    // A callback may change the order of `weights`.
    this.tracked = [...weightsOf(this.model)];
    this.before = valuesOf(this.tracked);
    this.data = this.functions.data(this.model, program.samples, 1000);
    this.validation =
      program.validationSamples > 0
        ? this.functions.data(this.model, program.validationSamples, 2000)
        : null;
  }

  /** Options of fit and train alike. `always`: fit tells its losses only to a callback. */
  options(always: boolean): Record<string, unknown> {
    const {fit, classWeight, observesBatches} = this.program;
    const observer = {
      onBatchEnd: async (_: number, logs?: tf.Logs) => {
        this.batchLogs.push({...logs} as Record<string, number>);
      },
    };
    // fit takes a list of objects or a list of instances, not both.
    const asInstance = (value: tf.CustomCallbackArgs | tf.Callback) =>
      value instanceof tf.Callback ? value : new tf.CustomCallback(value, 'auto');
    const objects = [
      ...(always || observesBatches ? [observer] : []),
      ...this.functions.callbacks(this.model),
    ];
    return {
      ...fit,
      ...(classWeight ? {classWeight} : {}),
      ...(this.validation ? {validationData: [this.validation.xs, this.validation.ys]} : {}),
      shuffle: false,
      verbose: 0,
      callbacks: this.program.callback ? objects.map(asInstance) : objects,
    };
  }

  /** What changed although the run was refused; null if nothing did. */
  touched(): string | null {
    const now = valuesOf(this.tracked);
    const index = now.findIndex(({values}, i) => String(values) !== String(this.before[i].values));
    return index < 0 ? null : now[index].name;
  }

  observe(losses: number[], history: tf.History, leaked: number, warnings: string[]): Observed {
    return {
      losses,
      batchLogs: this.batchLogs,
      history: history.history as Record<string, number[]>,
      epochs: history.epoch,
      before: this.before,
      weights: valuesOf(this.tracked),
      optimizer: optimizerOf(this.model),
      leaked,
      warnings,
    };
  }

  close(): void {
    tf.dispose([this.data, this.validation ?? []] as unknown as tf.TensorContainer);
    this.model.optimizer.dispose();
    this.model.dispose();
  }
}

/** Runs `body` with a fresh model; whatever it throws becomes an outcome. */
async function session(
  program: Program,
  noise: number,
  body: (session: Session) => Promise<Observed>,
): Promise<Outcome> {
  let opened: Session;
  try {
    opened = new Session(program, noise);
  } catch (error) {
    return {kind: 'failed', message: `the model cannot be made: ${messageOf(error)}`};
  }
  try {
    return {kind: 'ran', observed: await body(opened)};
  } catch (error) {
    const message = messageOf(error);
    if (error instanceof ManyHandsError && REFUSALS.includes(error.code))
      return {kind: 'refused', code: error.code, message, touched: opened.touched()};
    const code = (error as {code?: unknown}).code;
    return {kind: 'failed', message: code ? `${String(code)}: ${message}` : message};
  } finally {
    opened.close();
  }
}

/** One input or output is given as a tensor, several as a list. */
const single = (tensors: tf.Tensor[]) => (tensors.length === 1 ? tensors[0] : tensors);

/** Runs `model.fit` in this process. `noise` changes the first weights by this share. */
export function runFit(program: Program, noise = 0): Promise<Outcome> {
  return session(program, noise, async (opened) => {
    const {xs, ys} = opened.data;
    const args = opened.options(true) as tf.ModelFitArgs;
    const before = tf.memory().numTensors;
    const {result, warnings} = await listening(() =>
      opened.model.fit(single(xs), single(ys), {...args, yieldEvery: 'never'}),
    );
    const leaked = tf.memory().numTensors - before;
    const losses = opened.batchLogs.map(({loss}) => loss);
    return opened.observe(losses, result, leaked, warnings);
  });
}

/** Runs `train` or `trainParallel`, all ranks in one worker process. */
export function runLibrary(program: Program, run: RunSpec, noise = 0): Promise<Outcome> {
  return session(program, noise, async (opened) => {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), HANG_MS);
    const options = {
      ...opened.options(false),
      ...run.options,
      ...(program.sampleWeight ? {sampleWeight: sampleWeights(program.samples)} : {}),
      seed: 1,
      threads: 1,
      signal: abort.signal,
    } as TrainOptions;
    const before = tf.memory().numTensors;
    try {
      const {result, warnings} = await listening(() =>
        run.strategy === undefined
          ? train(opened.model, opened.data, options)
          : trainParallelOver('inProcess', opened.model, opened.data, {
              ...(options as TrainParallelOptions),
              devices: run.devices,
              strategy: run.strategy as TrainParallelOptions['strategy'],
              timeoutMs: HANG_MS / 2,
            }),
      );
      const leaked = tf.memory().numTensors - before;
      const losses = result.record.steps.map(({loss}) => loss);
      return opened.observe(losses, result.history, leaked, warnings);
    } finally {
      clearTimeout(timer);
    }
  });
}

/** The weight of each sample. */
const sampleWeights = (samples: number): Float32Array =>
  Float32Array.from({length: samples}, (_, i) => 0.5 + 0.25 * (i % 4));
