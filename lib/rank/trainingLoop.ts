/**
 * The training loop of one rank: epochs, batches, and the messages to the caller.
 */
import type * as tf from '@tensorflow/tfjs';
import {permutation} from '../base/random';
import {shardBatch} from '../dataParallel/shardBatch';
import {makeBatch, splitBatch, type BatchNeed} from '../job/batches';
import type {CheckedData} from '../job/checkData';
import {readLosses} from '../job/checkLosses';
import type {CallbackName, Logs, TrainDone, TrainJob, TrainTell} from '../job/protocol';
import type {SampleWeights} from '../job/sampleWeights';
import {processMemory, type MemoryMeter} from '../memory';
import type {MemoryUse} from '../memory/memoryUse';
import type {BatchPart, MicroBatch, RankStrategy} from '../step/strategy';
import {layerHooks, phaseHooks, stepHooks} from '../step/traceHooks';
import {Stepper} from '../step/trainStep';
import {SpanRecorder} from '../trace/spans';
import type {JobContext} from '../workers/serve';
import {Mean, named} from './logs';
import {ModelLink} from './modelLink';
import type {RankContext} from './rankContext';
import {range, Validation} from './validation';

/** Runs the epochs, batches and validation of one rank, and reports them to the caller. */
export class TrainingLoop {
  private readonly stepper: Stepper;
  private readonly recorder: SpanRecorder;
  private readonly strategy: RankStrategy | null;
  private readonly link: ModelLink;
  private readonly validation: Validation;
  private samplesSeen = 0;
  private step = 0;
  private stopped = false;

  constructor(
    private readonly job: TrainJob,
    private readonly context: JobContext,
    model: tf.LayersModel,
    private readonly data: CheckedData,
    validationData: CheckedData | null,
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
    this.link = new ModelLink(job, model, this.stepper, this.strategy);
    this.validation = new Validation(
      data,
      validationData,
      options,
      this.stepper,
      this.strategy,
      this.axis,
    );
  }

  /** All ranks have the same values to report, so only rank 0 sends them. */
  private tell(value: TrainTell): void {
    if (this.job.rank === 0) this.context.tell(value);
  }

  private async callback(name: CallbackName, index: number, logs: Logs): Promise<void> {
    if (!this.job.callbacks.includes(name)) return;
    this.stopped = await this.link.ask(this.context, name, index, logs);
  }

  /** Loads the model, and runs all epochs. */
  async run(): Promise<void> {
    const {epochs, initialEpoch, batchSize} = this.job.options;
    const {trained} = this.validation;
    await this.link.open();
    await this.ranks?.begin(this.recorder);
    this.tell({
      type: 'begin',
      samples: trained,
      stepsPerEpoch: Math.ceil(trained / batchSize),
      metrics: this.validation.logNames(),
    });
    for (let epoch = initialEpoch; epoch < epochs; epoch++) {
      await this.epoch(epoch);
      if (this.stopped) break;
    }
  }

  /**
   * Like fit's: a stop ends the epoch after its batch, and validation comes after the last batch,
   * before that batch's callback.
   */
  private async epoch(epoch: number): Promise<void> {
    const {shuffle, seed, batchSize} = this.job.options;
    const {trained} = this.validation;
    await this.callback('epochBegin', epoch, {});
    const order = shuffle ? permutation(trained, seed, epoch) : range(0, trained);
    const {names} = this.stepper.objective;
    const mean = new Mean(names.length);
    let validationLogs: Logs = {};
    for (let batch = 0; batch * batchSize < order.length; batch++) {
      const indices = order.subarray(batch * batchSize, (batch + 1) * batchSize);
      await this.callback('batchBegin', batch, {batch, size: indices.length});
      const values = await this.batch(epoch, indices);
      mean.add(values, indices.length);
      if ((batch + 1) * batchSize >= order.length)
        validationLogs = await this.validation.run(this.step);
      const logs = named(names, values);
      await this.callback('batchEnd', batch, {batch, size: indices.length, ...logs});
      await this.context.checkInterrupt();
      if (this.stopped) break;
    }
    const logs = {...named(names, mean.values()), ...validationLogs};
    this.tell({type: 'epoch', epoch, logs});
    await this.callback('epochEnd', epoch, logs);
  }

  private async batch(epoch: number, indices: Int32Array): Promise<number[]> {
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
    this.link.changed();
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

  close(): void {
    this.link.close();
  }

  async finish(meter: MemoryMeter): Promise<TrainDone> {
    const model = await this.link.state();
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
