/**
 * A whole training run as one rank sees it: epochs, batches, validation, and what it
 * tells the caller.
 */
import type * as tf from '@tensorflow/tfjs';
import {permutation} from '../base/random';
import {shardBatch} from '../dataParallel/shardBatch';
import {processMemory, startMeter, tagMemory, type MemoryMeter} from '../memory';
import {describeState, stateTensors} from '../model/optimizerState';
import type {OptimizerState} from '../model/description';
import {disposeModel, rebuildModel} from '../model/rebuild';
import {outputNamesOf} from '../model/tfjsInternals';
import {modelBytes, readModel, variablesOf, writeModel} from '../model/weights';
import type {BatchPart, MicroBatch} from '../step/strategy';
import {Stepper} from '../step/trainStep';
import type {RankStrategy} from '../step/strategy';
import {layerHooks, phaseHooks, stepHooks} from '../step/traceHooks';
import {SpanRecorder} from '../trace/spans';
import {createRegion, withRegion, type SharedRegion} from '../workers/sharedRegion';
import type {JobContext} from '../workers/serve';
import {dividesModel, initProcessGroups, type RankContext} from './rankContext';
import {withAdvice} from './limitAdvice';
import {makeBatch, sampleWeights, splitBatch, type BatchNeed, type SampleWeights} from './batches';
import {checkData, type CheckedData} from '../job/checkData';
import type {
  CallbackName,
  Logs,
  ModelState,
  TrainAnswer,
  TrainAsk,
  TrainDone,
  TrainJob,
  TrainTell,
} from '../job/protocol';
import type {MemoryUse} from '../memory/memoryUse';
import {openData, type Arrays, type PlacedData} from '../job/placeData';

/**
 * The region of the last state that was sent; the next job or state closes it, when the caller has
 * long copied it.
 */
let sent: SharedRegion | null = null;

function range(from: number, to: number): Int32Array {
  return Int32Array.from({length: to - from}, (_, i) => from + i);
}

function named(names: string[], values: number[]): Logs {
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}

/** Averages logs over batches by their samples, as fit's epoch logs. */
class Mean {
  private readonly sums: number[];
  private samples = 0;
  constructor(values: number) {
    this.sums = new Array<number>(values).fill(0);
  }
  /** `values` are those of `samples` samples, of `of` that all ranks walk together. */
  add(values: number[], samples: number, of = samples): void {
    values.forEach((value, i) => (this.sums[i] += value * samples));
    this.samples += of;
  }
  values(): number[] {
    return this.sums.map((sum) => sum / this.samples);
  }
}

class Run {
  private readonly stepper: Stepper;
  private readonly recorder: SpanRecorder;
  private readonly trained: number;
  private readonly strategy: RankStrategy | null;
  private walked = 0;
  private step = 0;
  private stopped = false;

  constructor(
    private readonly job: TrainJob,
    private readonly context: JobContext,
    private readonly model: tf.LayersModel,
    private readonly data: CheckedData,
    private readonly validation: CheckedData | null,
    private readonly weights: SampleWeights,
    private readonly team: RankContext | null,
  ) {
    const {options} = job;
    this.recorder = new SpanRecorder(job.rank);
    // A pipeline's phases are the actions of its schedule, which it records itself.
    const phases = job.parallel?.pipeline ? stepHooks(this.recorder) : phaseHooks(this.recorder);
    const traced =
      options.trace === 'none'
        ? []
        : options.trace === 'layers'
          ? [layerHooks(this.recorder)]
          : [phases];
    this.strategy =
      team?.strategy(job, model, options.trace === 'none' ? null : this.recorder) ?? null;
    const {seed, globalClipNorm, recompute} = options;
    this.stepper = new Stepper(model, {
      seed,
      globalClipNorm,
      recompute,
      hooks: traced,
      strategy: this.strategy,
    });
    // fit keeps the last samples for validation, before any shuffling.
    this.trained =
      validation === null && options.validationSplit > 0
        ? Math.floor(data.samples * (1 - options.validationSplit))
        : data.samples;
  }

  /** Every rank knows the same of the run; rank 0 says it. */
  private tell(value: TrainTell): void {
    if (this.job.rank === 0) this.context.tell(value);
  }

  private async callback(name: CallbackName, index: number, logs: Logs): Promise<void> {
    if (!this.job.callbacks.includes(name)) return;
    const ask: TrainAsk = {
      rank: this.job.rank,
      callback: name,
      index,
      logs,
      model: name === 'epochEnd' ? await this.state() : null,
    };
    const {stop} = (await this.context.ask(ask)) as TrainAnswer;
    if (stop) this.stopped = true;
  }

  /** The trained model, on rank 0; null on the others, which may have to give their parts of it. */
  private async state(): Promise<ModelState | null> {
    const first = this.job.rank === 0;
    const room = (optimizerState: OptimizerState) => {
      const bytes = modelBytes(this.job.model, optimizerState);
      if (!sent || sent.handle.bytes !== bytes || !sent.shared) {
        sent?.close();
        sent = createRegion(bytes);
      }
      return sent.buffer;
    };
    if (this.strategy?.save) {
      const optimizerState = await this.strategy.save((state) => (first ? room(state) : null));
      return first ? {region: sent!.handle, optimizerState} : null;
    }
    if (!first) return null;
    const optimizerState = describeState(this.model.optimizer);
    writeModel(this.model, this.job.model.weights, optimizerState, room(optimizerState));
    return {region: sent!.handle, optimizerState};
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
    await this.team?.begin(this.stepper, this.recorder);
    this.tell({
      type: 'begin',
      samples: this.trained,
      stepsPerEpoch: Math.ceil(this.trained / batchSize),
      metrics: this.names(),
    });
    for (let epoch = initialEpoch; epoch < epochs && !this.stopped; epoch++)
      await this.epoch(epoch);
  }

  private async epoch(epoch: number): Promise<void> {
    const {shuffle, seed, batchSize} = this.job.options;
    await this.callback('epochBegin', epoch, {});
    const order = shuffle ? permutation(this.trained, seed, epoch) : range(0, this.trained);
    const mean = new Mean(this.stepper.objective.names.length);
    for (let batch = 0; batch * batchSize < order.length && !this.stopped; batch++) {
      const indices = order.subarray(batch * batchSize, (batch + 1) * batchSize);
      await this.callback('batchBegin', batch, {batch, size: indices.length});
      mean.add(await this.batch(epoch, batch, indices), indices.length);
      await this.context.checkInterrupt();
    }
    const logs = {
      ...named(this.stepper.objective.names, mean.values()),
      ...(await this.validate()),
    };
    this.tell({type: 'epoch', epoch, logs});
    await this.callback('epochEnd', epoch, logs);
  }

  private async batch(epoch: number, batch: number, indices: Int32Array): Promise<number[]> {
    const start = performance.now();
    this.recorder.step = this.step;
    const {rank, size} = this.axis;
    const parts = shardBatch(splitBatch(indices, this.job.options.microBatches), rank, size).map(
      (share): BatchPart => {
        const samples = share.indices.length;
        this.walked += samples;
        return {
          samples,
          firstSample: share.firstSample,
          share: samples / indices.length,
          make: (need) => this.input(share.indices, need),
        };
      },
    );
    const values = await this.stepper.step(this.step, parts);
    const logs = named(this.stepper.objective.names, values);
    this.tell({
      type: 'step',
      epoch,
      step: this.step,
      samples: indices.length,
      seconds: (performance.now() - start) / 1000,
      logs,
    });
    this.step += 1;
    await this.callback('batchEnd', batch, {batch, size: indices.length, ...logs});
    return values;
  }

  private get axis(): {rank: number; size: number} {
    return this.team?.dataAxis ?? {rank: 0, size: 1};
  }

  private input(indices: Int32Array, need: BatchNeed | undefined): MicroBatch {
    if (this.job.options.trace !== 'none') this.recorder.begin('input', 'batch');
    const batch = makeBatch(this.data, indices, this.weights, need);
    this.recorder.end();
    return batch;
  }

  private async validate(): Promise<Logs> {
    if (!this.validates()) return {};
    const {names} = this.stepper.objective;
    const data = this.validation ?? this.data;
    const mean = new Mean(names.length);
    for (
      let at = this.validation ? 0 : this.trained;
      at < data.samples;
      at += this.job.options.batchSize
    ) {
      const batch = range(at, Math.min(at + this.job.options.batchSize, data.samples));
      const [{indices}] = shardBatch([batch], this.axis.rank, this.axis.size);
      if (indices.length === 0) await this.strategy?.emptyRankPredict?.();
      const part: BatchPart = {
        samples: indices.length,
        firstSample: 0,
        share: 1,
        make: (need) =>
          makeBatch(
            data,
            indices,
            data.ys.map(() => null),
            need,
          ),
      };
      const values = indices.length > 0 ? await this.stepper.evaluate(part) : names.map(() => 0);
      mean.add(values, indices.length, batch.length);
    }
    const values = this.strategy ? await this.strategy.sumValues(mean.values()) : mean.values();
    return named(
      names.map((name) => `val_${name}`),
      values,
    );
  }

  async finish(meter: MemoryMeter): Promise<TrainDone> {
    const model = await this.state();
    const traffic = (await this.team?.finish(this.recorder)) ?? [];
    return {
      model,
      spans: this.recorder.spans,
      memory: memoryUse(this.job.rank, meter),
      traffic,
      samples: this.walked,
    };
  }
}

function memoryUse(rank: number, {peakBytes, peakStateBytes, peak}: MemoryMeter): MemoryUse {
  const {byCategory = null, step = null, layer = null, op = null, largest = []} = peak ?? {};
  return {
    rank,
    peakBytes,
    byCategory,
    stateBytes: peakStateBytes,
    at: {step, layer, operation: op},
    largest,
    processBytes: processMemory(),
  };
}

/** Opens data and calls `use` with it; closes it whatever happens. */
async function withData<T>(
  placed: PlacedData | null,
  what: string,
  use: (arrays: Arrays | null) => Promise<T>,
): Promise<T> {
  if (placed === null) return use(null);
  const opened = await openData(placed, what);
  try {
    return await use(opened);
  } finally {
    opened.close();
  }
}

/**
 * Rank 0 has the caller's weights and optimizer state; the others get them from it, whatever they
 * were initialized with.
 */
async function firstWeights(
  job: TrainJob,
  model: tf.LayersModel,
  team: RankContext | null,
): Promise<void> {
  const {weights, optimizerState} = job.model;
  await withRegion(job.weights, async (given) => {
    const buffer = given ?? new ArrayBuffer(modelBytes(job.model, optimizerState));
    await team?.broadcast(buffer);
    readModel(model, weights, optimizerState, buffer);
    tagModel(model);
  });
}

/** Says to the meter what the weights and the optimizer's state are. */
function tagModel(model: tf.LayersModel): void {
  for (const variable of variablesOf(model)) tagMemory(variable, 'parameters');
  for (const tensor of stateTensors(model.optimizer, describeState(model.optimizer)))
    tagMemory(tensor, 'optimizer');
}

/** Runs one rank's job; `team` is its own to close. */
export async function trainRank(
  job: TrainJob,
  context: JobContext,
  meter: MemoryMeter,
  team: RankContext | null,
): Promise<TrainDone> {
  try {
    const divided = job.parallel !== null && dividesModel(job.parallel);
    const model = await rebuildModel(job.model, divided);
    try {
      // A strategy that divides the model loads it piece by piece.
      if (!divided) await firstWeights(job, model, team);
      return await withData(job.data, 'data', (arrays) =>
        withData(job.validation, 'validationData', async (validationArrays) => {
          const data = checkData(model, arrays!.xs, arrays!.ys, 'data');
          const validation = validationArrays
            ? checkData(model, validationArrays.xs, validationArrays.ys, 'validationData')
            : null;
          const weights = sampleWeights(
            data,
            job.options.classWeight,
            job.sampleWeight,
            outputNamesOf(model),
          );
          const run = new Run(job, context, model, data, validation, weights, team);
          await run.all();
          return await run.finish(meter);
        }),
      );
    } catch (error) {
      throw withAdvice(error, model, job.options, job.parallel);
    } finally {
      disposeModel(model);
    }
  } finally {
    await team?.close();
  }
}

/** One count of memory in a process, whatever becomes of the job. */
export async function metered<T>(
  {memoryLimit}: TrainJob['options'],
  run: (meter: MemoryMeter) => Promise<T>,
): Promise<T> {
  sent?.close();
  sent = null;
  const meter = startMeter({limitBytes: memoryLimit});
  try {
    return await run(meter);
  } finally {
    meter.stop();
  }
}

/** Serves one `TrainJob`. */
export async function trainJob(given: unknown, context: JobContext): Promise<TrainDone> {
  const job = given as TrainJob;
  return metered(job.options, (meter) =>
    trainRank(job, context, meter, job.parallel && initProcessGroups(job.rank, job.parallel)),
  );
}
