/**
 * The caller's side of one run: its history, events and callbacks.
 */
import * as tf from '@tensorflow/tfjs';
import {withCode} from '../base/errors';
import {emitRun, type RankSummary} from '../base/events';
import {compiledModel, innerModel} from '../model/tfjsInternals';
import {CallbackList} from './callbacks';
import {CallerModel} from './callerModel';
import type {Logs, TrainAnswer, TrainAsk, TrainTell} from '../job/protocol';
import {isModule} from '../job/readData';
import {trainedSamples} from '../job/trainedSamples';
import type {CheckedOptions} from '../config/checkOptions';
import type {ResolvedRun} from './resolveRun';
import {StepLog} from './stepLog';

let runs = 0;

interface Answer {
  promise: Promise<TrainAnswer>;
  resolve(answer: Promise<TrainAnswer>): void;
}

export class TrainRun {
  readonly id = ++runs;
  readonly history = new tf.History();
  readonly steps = new StepLog();
  readonly callbacks: CallbackList;
  private readonly asked: number[];
  /** By the number of the question; an answer that all ranks have asked for is dropped. */
  private readonly pendingAnswers = new Map<number, Answer>();
  private samples = 0;
  private seconds = 0;
  private begun = false;
  readonly options: CheckedOptions;
  readonly model: CallerModel;

  constructor(private readonly resolved: ResolvedRun) {
    const {model, live, description, options, devices} = resolved;
    this.model = new CallerModel(
      model,
      live,
      description,
      resolved.graph.calls.map(({layer}) => layer),
      options.timeoutMs,
    );
    this.options = options;
    this.callbacks = new CallbackList(options, model);
    this.asked = devices.map(() => 0);
    Object.assign(this.history, {epoch: [], history: {}});
    Object.assign(model, {history: this.history});
    Object.assign(innerModel(model), {history: this.history});
  }

  /** Calls `onTrainBegin`, and describes the model as the callbacks left it. */
  async begin(): Promise<void> {
    const {model, data, validation, options} = this.resolved;
    const {epochs, initialEpoch, batchSize, verbose, validationSplit} = options;
    const doValidation = validation !== null || validationSplit > 0;
    const names = compiledModel(model).getDedupedMetricsNames();
    await this.callbacks.begin({
      ...{epochs, initialEpoch, batchSize, verbose, doValidation, steps: null},
      // A data module is opened by the ranks.
      samples: isModule(data)
        ? null
        : trainedSamples(data.samples, validation ? 0 : validationSplit),
      metrics: doValidation ? [...names, ...names.map((name) => `val_${name}`)] : names,
    });
    this.model.begin();
  }

  hear(tell: TrainTell): void {
    const {epochs, initialEpoch, batchSize, verbose} = this.options;
    if (tell.type === 'begin') {
      const {samples, stepsPerEpoch, metrics} = tell;
      this.begun = true;
      emitRun({
        type: 'start',
        run: this.id,
        devices: this.resolved.devices,
        strategy: this.resolved.label,
        epochs,
        initialEpoch,
        stepsPerEpoch,
        batchSize,
        samples,
        metrics,
        verbose,
      });
      const {warning} = this.resolved.plan;
      if (warning && verbose > 0)
        emitRun({
          type: 'output',
          run: this.id,
          rank: 0,
          stream: 'stderr',
          text: `warning: ${warning}`,
        });
    } else if (tell.type === 'step') {
      const {epoch, step, samples, seconds, logs} = tell;
      this.samples += samples;
      this.seconds += seconds;
      this.steps.add(logs.loss, seconds);
      emitRun({type: 'step', run: this.id, epoch, step, samples, seconds, logs});
    } else {
      const {epoch, logs} = tell;
      // Like fit's history, after the callbacks, which may add to the logs.
      if (!this.callbacks.waits.includes('epochEnd')) this.record(epoch, logs);
      emitRun({type: 'epoch', run: this.id, epoch, logs});
    }
  }

  /** Calls a callback once, when rank 0 asks; every rank waits for it and gets the same answer. */
  async answer(ask: TrainAsk): Promise<TrainAnswer> {
    const nth = this.asked[ask.rank]++;
    const answer = this.pendingAnswers.get(nth) ?? promised();
    this.pendingAnswers.set(nth, answer);
    if (this.asked.every((count) => count > nth)) this.pendingAnswers.delete(nth);
    if (ask.rank === 0) answer.resolve(this.call(ask));
    return answer.promise;
  }

  private async call(ask: TrainAsk): Promise<TrainAnswer> {
    const {callback, index, logs} = ask;
    let stop = false;
    const changes = await this.model.during(ask, async () => {
      stop = await this.callbacks.call(callback, index, logs);
    });
    if (callback === 'epochEnd') this.record(index, logs);
    return {stop, ...changes};
  }

  private record(epoch: number, logs: Logs): void {
    this.history.epoch.push(epoch);
    for (const [name, value] of Object.entries(logs))
      (this.history.history[name] ??= []).push(value);
  }

  close(): void {
    this.model.close();
  }

  get samplesPerSecond(): number {
    return this.seconds > 0 ? this.samples / this.seconds : 0;
  }

  end(started: number, thrown?: unknown, ranks?: RankSummary[]): void {
    if (!this.begun) return;
    const isError = thrown === undefined || thrown instanceof Error;
    const error = isError ? thrown : withCode(thrown, 'ABORTED', 'a callback threw');
    emitRun({
      type: 'end',
      run: this.id,
      seconds: (performance.now() - started) / 1000,
      samplesPerSecond: this.samplesPerSecond,
      error,
      ranks,
    });
  }
}

function promised(): Answer {
  let resolve!: Answer['resolve'];
  const promise = new Promise<TrainAnswer>((resolvePromise) => (resolve = resolvePromise));
  return {promise, resolve};
}
