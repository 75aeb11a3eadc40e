/**
 * The caller's model during a run: it takes the ranks' state, and finds out what callbacks changed.
 */
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError, messageOf} from '../base/errors';
import type {ModelState, TrainAnswer} from '../job/protocol';
import {describeProgress} from '../model/describe';
import type {ModelDescription, OptimizerFields} from '../model/description';
import {NO_STATE, type ModelPart} from '../model/modelPart';
import type {LiveModel} from '../model/modelWeights';
import {describeState, plainFields, scalarFields, stateTensors} from '../model/optimizerState';
import {compiledModel, innerModel, type LayerWeight} from '../model/tfjsInternals';
import {modelBytes, readModel, writeModel} from '../model/weights';
import {attachRegion, createRegion, sameRegion, type SharedRegion} from '../workers/sharedRegion';

/** What the model looked like when the ranks last agreed with it. */
interface Snapshot {
  /** The buffer of each weight; `assign` gives a variable another one. */
  weights: object[];
  trainable: boolean[];
  fields: OptimizerFields;
  scalars: Map<string, object>;
  /** The buffers of the optimizer's lists. */
  state: object[];
}

/** What `compile` made, which a run cannot exchange halfway. */
interface Compiled {
  optimizer: tf.Optimizer;
  lossFunctions: unknown;
  collected: unknown;
}

export class CallerModel {
  private snapshot: Snapshot;
  private readonly inner: tf.LayersModel;
  private readonly compiled: Compiled;
  /** The shared memory in which rank 0 leaves the weights. */
  private received: SharedRegion | null = null;
  /** The shared memory with what a callback changed last. */
  private sent: SharedRegion | null = null;
  description: ModelDescription;

  constructor(
    model: tf.LayersModel,
    private readonly live: LiveModel,
    description: ModelDescription,
  ) {
    this.description = description;
    this.inner = innerModel(model);
    this.compiled = this.compiledNow();
    this.snapshot = this.look();
  }

  private compiledNow(): Compiled {
    const {lossFunctions, collectedTrainableWeights} = compiledModel(this.inner);
    return {optimizer: this.inner.optimizer, lossFunctions, collected: collectedTrainableWeights};
  }

  private get trained(): LayerWeight[] {
    return this.description.trainable.map((index) => this.live.weights[index]);
  }

  private look(): Snapshot {
    const {weights, optimizer} = this.live;
    const state = describeState(optimizer);
    return {
      weights: weights.map((weight) => weight.read().dataId),
      trainable: this.trained.map((weight) => weight.read().trainable),
      fields: plainFields(optimizer),
      scalars: new Map(scalarFields(optimizer).map(([field, {dataId}]) => [field, dataId])),
      state: stateTensors(optimizer, {...state, scalars: []}).map(({dataId}) => dataId),
    };
  }

  /** Describes the model again, after `onTrainBegin`. Throws BAD_MODEL. */
  begin(): void {
    this.check();
    this.description = {...this.description, ...describeProgress(this.live)};
    this.snapshot = this.look();
  }

  /** Copies the ranks' weights into `buffer`, as `writeModel` does. */
  write(buffer: ArrayBuffer): void {
    const {weights, optimizerState} = this.description;
    writeModel(this.live, weights, optimizerState, buffer);
  }

  /** Takes the trained weights from rank 0's region. Throws BAD_MODEL. */
  take({region, optimizerState}: ModelState): void {
    if (!this.received || !sameRegion(this.received.handle, region)) {
      this.received?.close();
      this.received = attachRegion(region);
      // The name is no longer needed; without it, a killed rank leaves nothing behind.
      this.received.unlink();
    }
    try {
      readModel(this.live, this.description.weights, optimizerState, this.received.buffer);
    } catch (error) {
      throw new ManyHandsError(
        'BAD_MODEL',
        `the trained weights could not be given back to the model: ${messageOf(error)}. Do not dispose of a model, or change its layers, during the training.`,
        {cause: error},
      );
    }
    this.snapshot = this.look();
  }

  /** What callbacks changed since the last `take` or `changes`. Throws BAD_MODEL. */
  changes(): Omit<TrainAnswer, 'stop'> {
    this.check();
    const before = this.snapshot;
    const now = this.look();
    this.snapshot = now;
    const answer: Omit<TrainAnswer, 'stop'> = {};
    if (!sameList(before.trainable, now.trainable)) answer.trainable = now.trainable;
    const fields = Object.entries(now.fields).filter(
      ([field, value]) => !Object.is(before.fields[field], value),
    );
    const scalars = scalarFields(this.live.optimizer).filter(
      ([field, {dataId}]) => before.scalars.get(field) !== dataId,
    );
    if (fields.length > 0 || scalars.length > 0)
      answer.optimizer = {
        fields: Object.fromEntries(fields),
        scalars: Object.fromEntries(
          scalars.map(([field, scalar]) => [field, scalar.dataSync()[0]]),
        ),
      };
    const state = sameList(before.state, now.state) ? null : describeState(this.live.optimizer);
    const weights = [...now.weights.keys()].filter(
      (index) => now.weights[index] !== before.weights[index],
    );
    if (state || weights.length > 0) answer.model = this.place({weights, state});
    return answer;
  }

  /** Copies a part of the model into shared memory, from where rank 0 takes it. */
  private place(part: ModelPart): TrainAnswer['model'] {
    const state = part.state ?? NO_STATE;
    const weights = part.weights.map((index) => this.description.weights[index]);
    // By now every rank has loaded what was sent before.
    this.sent?.close();
    this.sent = createRegion(modelBytes({weights}, state));
    const live = {...this.live, weights: part.weights.map((index) => this.live.weights[index])};
    writeModel(live, weights, state, this.sent.buffer);
    return {region: this.sent.handle, part};
  }

  private check(): void {
    const disposed = this.live.weights.find(({val}) => val.isDisposed);
    if (disposed)
      throw new ManyHandsError(
        'BAD_MODEL',
        `a callback disposed of the model's weight '${disposed.originalName}' while the model is being trained: dispose of the model after the training.`,
      );
    const tensors = [
      ...scalarFields(this.live.optimizer).map(([, scalar]) => scalar),
      ...stateTensors(this.live.optimizer, describeState(this.live.optimizer)),
    ];
    if (tensors.some(({isDisposed}) => isDisposed))
      throw new ManyHandsError(
        'BAD_MODEL',
        'a callback disposed of the optimizer while the model is being trained: dispose of it after the training.',
      );
    const now = this.compiledNow();
    const {optimizer, lossFunctions, collected} = this.compiled;
    if (now.optimizer !== optimizer)
      throw new ManyHandsError(
        'BAD_MODEL',
        'a callback gave the model another optimizer while it is being trained, and the ranks cannot exchange theirs: change the fields of the optimizer (optimizer.learningRate and others), or end this training and start another one.',
      );
    if (now.lossFunctions !== lossFunctions || now.collected !== collected)
      throw new ManyHandsError(
        'BAD_MODEL',
        'a callback compiled the model again while it is being trained: end this training (model.stopTraining = true), compile, and train again.',
      );
  }

  close(): void {
    this.received?.close();
    this.sent?.close();
    this.received = null;
    this.sent = null;
  }
}

function sameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
