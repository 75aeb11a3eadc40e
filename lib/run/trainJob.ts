/**
 * Worker side. A whole training run on one device: epochs, batches, validation, and what it tells the caller.
 */
import type * as tf from '@tensorflow/tfjs';
import {permutation} from '../base/random';
import {startMeter, type MemoryMeter} from '../memory/meter';
import {describeState} from '../model/optimizerState';
import {rebuildModel} from '../model/rebuild';
import {modelBytes, readModel, writeModel} from '../model/weights';
import {Stepper, type MicroBatch} from '../step/trainStep';
import {layerHooks, phaseHooks} from '../step/traceHooks';
import {SpanRecorder} from '../trace/spans';
import {attachRegion, createRegion, type SharedRegion} from '../workers/sharedRegion';
import type {JobContext} from '../workers/child';
import {makeBatch, sampleWeights, splitBatch, type SampleWeights} from './batches';
import {checkData, type CheckedData} from './checkData';
import type {CallbackName, Logs, ModelState, TrainAnswer, TrainAsk, TrainDone, TrainJob, TrainTell} from './jobTypes';
import {openData, type Arrays, type PlacedData} from './placeData';

/** The region of the last state that was sent; the next job or state closes it, when the caller has long copied it. */
let sent: SharedRegion | null = null;

function range(from: number, to: number): Int32Array {
  return Int32Array.from({length: to - from}, (_, i) => from + i);
}

/** Averages logs over batches by their samples, as fit's epoch logs. */
class Mean {
  private readonly sums: number[] = [];
  private samples = 0;
  add(values: number[], samples: number): void {
    values.forEach((value, i) => (this.sums[i] = (this.sums[i] ?? 0) + value * samples));
    this.samples += samples;
  }
  logs(names: string[]): Logs {
    return Object.fromEntries(names.map((name, i) => [name, this.sums[i] / this.samples]));
  }
}

class Run {
  private readonly stepper: Stepper;
  private readonly recorder: SpanRecorder;
  private readonly trained: number;
  private step = 0;
  private stopped = false;

  constructor(
    private readonly job: TrainJob,
    private readonly context: JobContext,
    private readonly model: tf.LayersModel,
    private readonly data: CheckedData,
    private readonly validation: CheckedData | null,
    private readonly weights: SampleWeights,
  ) {
    const {options} = job;
    this.recorder = new SpanRecorder(job.rank);
    const hooks = options.trace === 'none' ? [] : options.trace === 'layers' ? [layerHooks(this.recorder)] : [phaseHooks(this.recorder)];
    this.stepper = new Stepper(model, {seed: options.seed, clipNorm: options.clipNorm, hooks});
    // fit keeps the last samples for validation, before any shuffling.
    this.trained = validation === null && options.validationSplit > 0 ? Math.floor(data.samples * (1 - options.validationSplit)) : data.samples;
  }

  private tell(value: TrainTell): void {
    this.context.tell(value);
  }

  private async callback(name: CallbackName, index: number, logs: Logs): Promise<void> {
    if (!this.job.callbacks.includes(name)) return;
    const ask: TrainAsk = {callback: name, index, logs, model: name === 'epochEnd' ? this.state() : null};
    const {stop} = (await this.context.ask(ask)) as TrainAnswer;
    if (stop) this.stopped = true;
  }

  private state(): ModelState {
    const optimizerState = describeState(this.model.optimizer);
    const bytes = modelBytes(this.job.model, optimizerState);
    if (!sent || sent.handle.bytes !== bytes || !sent.shared) {
      sent?.close();
      sent = createRegion(bytes);
    }
    writeModel(this.model, this.job.model.weights, optimizerState, sent.buffer);
    return {region: sent.handle, optimizerState};
  }

  private names(): string[] {
    const names = this.stepper.objective.names;
    return this.validates() ? [...names, ...names.map((name) => `val_${name}`)] : names;
  }

  private validates(): boolean {
    return this.validation !== null || this.trained < this.data.samples;
  }

  async all(): Promise<void> {
    const {epochs, initialEpoch, batchSize} = this.job.options;
    this.tell({type: 'begin', samples: this.trained, stepsPerEpoch: Math.ceil(this.trained / batchSize), metrics: this.names()});
    for (let epoch = initialEpoch; epoch < epochs && !this.stopped; epoch++) await this.epoch(epoch);
  }

  private async epoch(epoch: number): Promise<void> {
    const {shuffle, seed, batchSize} = this.job.options;
    await this.callback('epochBegin', epoch, {});
    const order = shuffle ? permutation(this.trained, seed, epoch) : range(0, this.trained);
    const mean = new Mean();
    for (let batch = 0; batch * batchSize < order.length && !this.stopped; batch++) {
      const indices = order.subarray(batch * batchSize, (batch + 1) * batchSize);
      await this.callback('batchBegin', batch, {batch, size: indices.length});
      mean.add(await this.batch(epoch, batch, indices), indices.length);
      await this.context.checkInterrupt();
    }
    const logs = {...mean.logs(this.stepper.objective.names), ...this.validate()};
    this.tell({type: 'epoch', epoch, logs});
    await this.callback('epochEnd', epoch, logs);
  }

  private async batch(epoch: number, batch: number, indices: Int32Array): Promise<number[]> {
    const start = performance.now();
    this.recorder.step = this.step;
    const parts = splitBatch(indices, this.job.options.microBatches).map((part) => ({samples: part.length, make: () => this.input(part)}));
    const values = await this.stepper.step(this.step, parts);
    const logs = Object.fromEntries(this.stepper.objective.names.map((name, i) => [name, values[i]]));
    this.tell({type: 'step', epoch, step: this.step, samples: indices.length, seconds: (performance.now() - start) / 1000, logs});
    this.step += 1;
    await this.callback('batchEnd', batch, {batch, size: indices.length, ...logs});
    return values;
  }

  private input(indices: Int32Array): MicroBatch {
    if (this.job.options.trace !== 'none') this.recorder.begin('input', 'batch');
    const batch = makeBatch(this.data, indices, this.weights);
    this.recorder.end();
    return batch;
  }

  private validate(): Logs {
    if (!this.validates()) return {};
    const data = this.validation ?? this.data;
    const from = this.validation ? 0 : this.trained;
    const mean = new Mean();
    for (let at = from; at < data.samples; at += this.job.options.batchSize) {
      const indices = range(at, Math.min(at + this.job.options.batchSize, data.samples));
      mean.add(this.stepper.evaluate(makeBatch(data, indices, data.ys.map(() => null))), indices.length);
    }
    return mean.logs(this.stepper.objective.names.map((name) => `val_${name}`));
  }

  finish(meter: MemoryMeter): TrainDone {
    return {model: this.state(), spans: this.recorder.spans, peakBytes: meter.peakBytes};
  }
}

/** Opens data and calls `use` with it; closes it whatever happens. */
async function withData<T>(placed: PlacedData | null, what: string, use: (arrays: Arrays | null) => Promise<T>): Promise<T> {
  if (placed === null) return use(null);
  const opened = await openData(placed, what);
  try {
    return await use(opened);
  } finally {
    opened.close();
  }
}

function disposeModel(model: tf.LayersModel): void {
  model.optimizer.dispose();
  model.dispose();
}

/** Serves one `TrainJob`. */
export async function trainJob(given: unknown, context: JobContext): Promise<TrainDone> {
  const job = given as TrainJob;
  sent?.close();
  sent = null;
  const meter = startMeter({limitBytes: job.options.memoryLimit});
  try {
    const model = await rebuildModel(job.model);
    try {
      const region = attachRegion(job.weights);
      readModel(model, job.model.weights, job.model.optimizerState, region.buffer);
      region.close();
      return await withData(job.data, 'data', (arrays) =>
        withData(job.validation, 'validationData', async (validationArrays) => {
          const data = checkData(model, arrays!.xs, arrays!.ys, 'data');
          const validation = validationArrays ? checkData(model, validationArrays.xs, validationArrays.ys, 'validationData') : null;
          const outputNames = (model as unknown as {outputNames: string[]}).outputNames;
          const weights = sampleWeights(data, job.options.classWeight, job.sampleWeight, outputNames);
          const run = new Run(job, context, model, data, validation, weights);
          await run.all();
          return run.finish(meter);
        }),
      );
    } finally {
      disposeModel(model);
    }
  } finally {
    meter.stop();
  }
}
