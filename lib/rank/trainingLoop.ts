/**
 * The training loop of one rank: epochs, batches, validation, and the messages to the caller.
 */
import type * as tf from '@tensorflow/tfjs';
import {permutation} from '../base/random';
import {createCommunicator} from '../collectives/communicator';
import {createInProcessGroup} from '../collectives/inProcess';
import {shardBatch} from '../dataParallel/shardBatch';
import {makeBatch, splitBatch, type BatchNeed} from '../job/batches';
import type {CheckedData} from '../job/checkData';
import {readLosses} from '../job/checkLosses';
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
import type {SampleWeights} from '../job/sampleWeights';
import {processMemory, type MemoryMeter} from '../memory';
import type {MemoryUse} from '../memory/memoryUse';
import type {ModelDescription} from '../model/description';
import {readStates, writeStates} from '../model/layerState';
import {modelBytes} from '../model/weights';
import type {GradientSum} from '../step/gradientSum';
import {ModelExchange} from '../step/modelExchange';
import {replicatedStorage} from '../step/parameterStorage';
import type {BatchPart, MicroBatch, RankStrategy} from '../step/strategy';
import {layerHooks, phaseHooks, stepHooks} from '../step/traceHooks';
import {Stepper} from '../step/trainStep';
import {SpanRecorder} from '../trace/spans';
import type {JobContext} from '../workers/serve';
import {withRegion} from '../workers/sharedRegion';
import {ValidationSums} from './validationSums';
import type {RankContext} from './rankContext';
import {sentState} from './sentState';

function range(from: number, to: number): Int32Array {
  return Int32Array.from({length: to - from}, (_, i) => from + i);
}

function named(names: string[], values: number[]): Logs {
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}

/** Exchanges a model with the caller in a run with a single rank. */
function soloExchange(
  model: tf.LayersModel,
  description: ModelDescription,
  gradients: GradientSum,
): ModelExchange {
  const comm = createCommunicator(createInProcessGroup(1)[0]);
  const holders = [{rank: 0, shard: null, owns: true}];
  const storage = replicatedStorage(gradients.entries);
  return new ModelExchange(comm, model, description, () => holders, storage);
}

/** The mean of logs over batches, weighted by samples, as in fit's epoch logs. */
class Mean {
  private readonly sums: number[];
  private samples = 0;
  constructor(values: number) {
    this.sums = new Array<number>(values).fill(0);
  }
  /** Adds the means of `samples` samples. */
  add(values: number[], samples: number): void {
    values.forEach((value, i) => {
      this.sums[i] += value * samples;
    });
    this.samples += samples;
  }
  values(): number[] {
    return this.sums.map((sum) => sum / this.samples);
  }
}

/** Runs the epochs, batches and validation of one rank, and reports them to the caller. */
export class TrainingLoop {
  private readonly stepper: Stepper;
  private readonly recorder: SpanRecorder;
  private readonly trained: number;
  private readonly strategy: RankStrategy | null;
  /** Loads and saves the model of a run on one device. */
  private readonly solo: ModelExchange | null;
  private samplesSeen = 0;
  private step = 0;
  private stopped = false;

  constructor(
    private readonly job: TrainJob,
    private readonly context: JobContext,
    model: tf.LayersModel,
    private readonly data: CheckedData,
    private readonly validation: CheckedData | null,
    private readonly weights: SampleWeights,
    private readonly ranks: RankContext | null,
  ) {
    const {options} = job;
    this.recorder = new SpanRecorder(job.rank);
    // A pipeline records the actions of its schedule as phases itself.
    const phases = job.parallel?.pipeline ? stepHooks(this.recorder) : phaseHooks(this.recorder);
    const traceHooks = {none: [], layers: [layerHooks(this.recorder)], phases: [phases]};
    this.strategy =
      ranks?.strategy(job, model, options.trace === 'none' ? null : this.recorder) ?? null;
    const {seed, globalClipNorm, recompute} = options;
    this.stepper = new Stepper(model, {
      seed,
      globalClipNorm,
      recompute,
      hooks: traceHooks[options.trace],
      strategy: this.strategy,
    });
    readLosses(this.stepper.objective.losses, data);
    this.solo = this.strategy ? null : soloExchange(model, job.model, this.stepper.gradients);
    // Like fit, keep the last samples for validation before any shuffling.
    this.trained =
      validation === null && options.validationSplit > 0
        ? Math.floor(data.samples * (1 - options.validationSplit))
        : data.samples;
  }

  /** All ranks have the same values to report, so only rank 0 sends them. */
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
    const {stop, layerStates} = (await this.context.ask(ask)) as TrainAnswer;
    if (layerStates) writeStates(this.layers, layerStates);
    if (stop) this.stopped = true;
  }

  /** The trained model on rank 0; null on the other ranks, which send it their shards. */
  private async state(): Promise<ModelState | null> {
    const isFirst = this.job.rank === 0;
    const optimizerState = await (this.strategy ?? this.solo!).save((state) =>
      isFirst ? sentState.allocate(modelBytes(this.job.model, state)) : null,
    );
    return isFirst
      ? {region: sentState.handle, optimizerState, layerStates: readStates(this.layers)}
      : null;
  }

  private get layers(): tf.layers.Layer[] {
    return this.stepper.graph.calls.map(({layer}) => layer);
  }

  private names(): string[] {
    const names = this.stepper.objective.names;
    return this.validates() ? [...names, ...names.map((name) => `val_${name}`)] : names;
  }

  private validates(): boolean {
    return this.validation !== null || this.trained < this.data.samples;
  }

  /** Loads the model, and runs all epochs. */
  async run(): Promise<void> {
    const {epochs, initialEpoch, batchSize} = this.job.options;
    if (this.strategy) await this.strategy.open(this.stepper);
    else await withRegion(this.job.weights, (source) => this.solo!.load(source));
    writeStates(this.layers, this.job.layerStates);
    await this.ranks?.begin(this.recorder);
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
        this.samplesSeen += samples;
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
    return this.ranks?.dataAxis ?? {rank: 0, size: 1};
  }

  private input(indices: Int32Array, need: BatchNeed | undefined): MicroBatch {
    if (this.job.options.trace !== 'none') this.recorder.begin('input', 'batch');
    const batch = makeBatch(this.data, indices, this.weights, need);
    this.recorder.end();
    return batch;
  }

  private async validate(): Promise<Logs> {
    if (!this.validates()) return {};
    const {objective} = this.stepper;
    const data = this.validation ?? this.data;
    const sums = new ValidationSums(objective);
    const {batchSize} = this.job.options;
    const first = this.validation ? 0 : this.trained;
    for (let start = first; start < data.samples; start += batchSize) {
      const batch = range(start, Math.min(start + batchSize, data.samples));
      const [{indices, firstSample}] = shardBatch([batch], this.axis.rank, this.axis.size);
      if (indices.length === 0) await this.strategy?.emptyRankPredict?.();
      const part: BatchPart = {
        samples: indices.length,
        firstSample,
        validation: {step: this.step, batch: (start - first) / batchSize},
        share: indices.length / batch.length,
        make: (need) =>
          makeBatch(
            data,
            indices,
            data.ys.map(() => null),
            need,
          ),
      };
      sums.add(indices.length > 0 ? await this.stepper.evaluate(part) : null, batch.length);
    }
    return named(
      objective.names.map((name) => `val_${name}`),
      await sums.values((local) => this.strategy?.sumValues(local) ?? local),
    );
  }

  async finish(meter: MemoryMeter): Promise<TrainDone> {
    const model = await this.state();
    const traffic = (await this.ranks?.finish(this.recorder)) ?? [];
    return {
      model,
      spans: this.recorder.spans,
      memory: memoryUse(this.job.rank, meter),
      traffic,
      samples: this.samplesSeen,
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
