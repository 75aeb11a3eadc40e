/**
 * A rank's side of the model that it shares with the caller: it loads the model, sends its state,
 * and applies what a callback changed.
 */
import type * as tf from '@tensorflow/tfjs';
import {createCommunicator} from '../collectives/communicator';
import {createInProcessGroup} from '../collectives/inProcess';
import type {
  CallbackName,
  Logs,
  ModelState,
  TrainAnswer,
  TrainAsk,
  TrainJob,
} from '../job/protocol';
import {StateServer} from '../job/stateRequests';
import type {ModelDescription, OptimizerState} from '../model/description';
import {readStates, writeStates} from '../model/layerState';
import type {ModelPart} from '../model/modelPart';
import {describedWeights} from '../model/modelWeights';
import {applySettings, describeState} from '../model/optimizerState';
import {modelBytes} from '../model/weights';
import type {GradientSum} from '../step/gradientSum';
import {ModelExchange} from '../step/modelExchange';
import {replicatedStorage} from '../step/parameterStorage';
import type {RankStrategy} from '../step/strategy';
import type {Stepper} from '../step/trainStep';
import type {JobContext} from '../workers/serve';
import {withRegion} from '../workers/sharedRegion';
import {sentState} from './sentState';

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

export class ModelLink {
  /** Loads and saves the model of a run on one device. */
  private readonly solo: ModelExchange | null;
  /** Whether the caller has the current state. */
  private isShared = true;
  private readonly server: StateServer | null;

  constructor(
    private readonly job: TrainJob,
    private readonly model: tf.LayersModel,
    private readonly stepper: Stepper,
    private readonly strategy: RankStrategy | null,
  ) {
    this.server = job.requests && new StateServer(job.requests);
    this.solo = strategy ? null : soloExchange(model, job.model, stepper.gradients);
  }

  /** Loads the model that the caller placed in shared memory. */
  async open(): Promise<void> {
    if (this.strategy) await this.strategy.open(this.stepper);
    else await withRegion(this.job.weights, (source) => this.solo!.load(source));
    writeStates(this.layers, this.job.layerStates);
  }

  private get layers(): tf.layers.Layer[] {
    return this.stepper.graph.calls.map(({layer}) => layer);
  }

  private save(make: (state: OptimizerState) => ArrayBuffer | null): Promise<OptimizerState> {
    return (this.strategy ?? this.solo!).save(make);
  }

  private reload(source: ArrayBuffer | null, part: ModelPart): Promise<void> {
    return this.strategy ? this.strategy.reload(source, part) : this.solo!.load(source, part);
  }

  /** After a step: the caller no longer has the current state. */
  changed(): void {
    this.isShared = false;
  }

  /**
   * Asks the caller to call its callbacks, and applies what they changed. All ranks must call it.
   * Returns whether fit would stop.
   */
  async ask(
    context: JobContext,
    callback: CallbackName,
    index: number,
    logs: Logs,
  ): Promise<boolean> {
    const {rank} = this.job;
    // A run that fails leaves the caller's model with the weights of the last epoch's end.
    const sendsUnasked = callback === 'epochEnd' || !this.server;
    const model = sendsUnasked && !this.isShared ? await this.state() : null;
    const {iterations, fields} = describeState(this.model.optimizer);
    const ask: TrainAsk = {
      ...{rank, callback, index, logs, model},
      isStale: !this.isShared,
      optimizer: {iterations, fields},
    };
    const pending = context.ask(ask) as Promise<TrainAnswer>;
    const answer = this.isShared
      ? await pending
      : await this.server!.until(pending, () => this.state());
    await this.apply(answer);
    return answer.stop;
  }

  /** The trained model on rank 0; null on the other ranks, which send it their shards. */
  async state(): Promise<ModelState | null> {
    const isFirst = this.job.rank === 0;
    const optimizerState = await this.save((state) =>
      isFirst ? sentState.allocate(modelBytes(this.job.model, state)) : null,
    );
    this.isShared = true;
    return isFirst
      ? {region: sentState.handle, optimizerState, layerStates: readStates(this.layers)}
      : null;
  }

  /** Applies what the callbacks changed. All ranks get the same answer. */
  private async apply({
    trainable,
    optimizer: settings,
    model,
    layerStates,
  }: TrainAnswer): Promise<void> {
    const weights = describedWeights(this.model);
    trainable?.forEach((isTrained, i) => {
      weights[this.job.model.trainable[i]].read().trainable = isTrained;
    });
    if (model)
      await withRegion(this.job.rank === 0 ? model.region : null, (source) =>
        this.reload(source, model.part),
      );
    if (layerStates) writeStates(this.layers, layerStates);
    if (settings) applySettings(this.model.optimizer, settings);
  }

  close(): void {
    this.server?.close();
  }
}
