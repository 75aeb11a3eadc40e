/**
 * One step of one rank: executes the rank's list of actions, for any schedule.
 */
import * as tf from '@tensorflow/tfjs';
import type {StepContext} from '../base/stepContext';
import type {Communicator} from '../collectives/types';
import {runHooks} from '../step/hooks';
import {addSums, type Sums} from '../step/objective';
import type {BatchPart, StepHost} from '../step/strategy';
import {discardForward, runForward, type ForwardState, type PassContext} from '../step/forwardPass';
import {
  discardPending,
  runBackward,
  runBackwardInput,
  runBackwardWeights,
  type PendingWeights,
} from '../step/backwardPass';
import type {SpanRecorder} from '../trace/spans';
import {actionSpan} from './schedule';
import {StageChannel} from './stageChannel';
import type {Action, Compute, StageMessage, Schedule} from './schedule';
import type {StageGraph} from './stages';

/** One of the rank's stages, with what its forward and backward passes need. */
export interface LocalStage {
  stage: StageGraph;
  pass: PassContext;
}

/** What a stage keeps of a micro-batch between two actions. */
interface LiveMicroBatch {
  context: StepContext;
  forward: ForwardState | null;
  /** The gradients of the model's outputs; null before the last stage. */
  lossGradients: tf.Tensor[] | null;
  pending: PendingWeights | null;
}

const keyOf = ({microBatch, localStage}: Pick<Compute, 'microBatch' | 'localStage'>) =>
  `${microBatch} ${localStage}`;

export class StageRun {
  private readonly channel: StageChannel;
  private readonly live = new Map<string, LiveMicroBatch>();
  /** Received tensors and tensors to send, by content, micro-batch and local stage. */
  private readonly inbox = new Map<string, tf.Tensor>();
  private readonly outbox = new Map<string, tf.Tensor>();
  private sums: Sums;

  constructor(
    private readonly comm: Communicator,
    private readonly schedule: Schedule,
    private readonly stages: LocalStage[],
    private readonly stepper: StepHost,
    private readonly recorder: SpanRecorder | null,
    private readonly step: number,
    private readonly parts: BatchPart[],
  ) {
    this.sums = stepper.objective.noSums();
    this.channel = new StageChannel(comm, schedule, parts, ({what, microBatch, localStage}) => {
      const {from, to} = stages[localStage].stage;
      return [parts[microBatch].samples, ...(what === 'activations' ? from! : to!).shape];
    });
  }

  /** Returns this rank's part of loss and metrics; only the last stage's is not zero. */
  async run(): Promise<Sums> {
    try {
      for (const action of this.schedule.actions[this.comm.rank]) {
        if (action.do === 'update' || action.microBatch >= this.parts.length) continue;
        // If the replica has no samples of a micro-batch, none of its ranks sends anything for it.
        if ('peer' in action) {
          if (this.parts[action.microBatch].samples === 0) continue;
          await (action.do === 'send' ? this.send(action) : this.recv(action));
        } else await this.compute(action);
      }
      this.recorder?.end();
      return this.sums;
    } finally {
      this.clear();
    }
  }

  private async compute(action: Compute): Promise<void> {
    const {samples, share} = this.parts[action.microBatch];
    await runHooks(this.stepper.hooks, 'beforePart', {
      index: action.microBatch,
      count: this.parts.length,
      samples,
      share,
      last: this.isLast(action),
    });
    if (samples === 0) await this.emptyRank(action);
    else if (action.do === 'forward') await this.forward(action);
    else if (action.do === 'backward') await this.backward(action);
    else if (action.do === 'backwardInput') await this.backwardInput(action);
    else await this.backwardWeights(action);
  }

  /** Whether no action of this kind follows for the same stage in this step. */
  private isLast(action: Compute): boolean {
    const sameKind = this.schedule.actions[this.comm.rank].filter(
      (other): other is Compute =>
        !('peer' in other) &&
        other.do === action.do &&
        other.localStage === action.localStage &&
        other.microBatch < this.parts.length,
    );
    return sameKind[sameKind.length - 1] === action;
  }

  private async emptyRank({do: kind, localStage}: Compute): Promise<void> {
    if (kind === 'backwardWeights') return;
    await runHooks(
      this.stepper.hooks,
      'emptyRank',
      kind === 'forward' ? 'forward' : 'backward',
      this.stages[localStage].stage.graph.calls,
    );
  }

  private begin(action: Action): void {
    const {kind, name} = actionSpan(action, this.stages.length);
    this.recorder?.begin(kind, name);
  }

  private async forward(action: Compute): Promise<void> {
    const {stage, pass} = this.stages[action.localStage];
    const part = this.parts[action.microBatch];
    const isLastStage = stage.to === null;
    const batch =
      stage.modelInputs.length > 0 || isLastStage
        ? part.make({xs: stage.modelInputs.length > 0, ys: isLastStage})
        : null;
    const entered = stage.from ? [this.take(this.inbox, 'activations', action)] : [];
    this.begin(action);
    const context: StepContext = {
      seed: this.stepper.seed,
      layer: '',
      step: this.step,
      firstSample: part.firstSample,
    };
    const live: LiveMicroBatch = {context, forward: null, lossGradients: null, pending: null};
    this.live.set(keyOf(action), live);
    try {
      const forward = await runForward(
        pass,
        [...entered, ...stage.modelInputs.map((i) => batch!.xs[i])],
        context,
      );
      live.forward = forward;
      if (!isLastStage) this.handOver('activations', action, forward.outputs[0]);
      else {
        await runHooks(this.stepper.hooks, 'beforeLoss');
        const {sums, gradients} = this.stepper.objective.withGradient(
          forward.outputs,
          batch!.ys,
          batch!.weights,
          part.share,
        );
        tf.dispose(forward.outputs);
        live.lossGradients = gradients;
        this.sums = addSums(this.sums, sums);
        await runHooks(this.stepper.hooks, 'afterLoss');
      }
      forward.outputs = [];
    } finally {
      tf.dispose([
        ...entered,
        ...(batch
          ? [...batch.xs, ...batch.ys, ...batch.weights.filter((weight) => weight !== null)]
          : []),
      ]);
    }
  }

  /** Takes what a backward pass needs, which then consumes it. */
  private takeForward(action: Compute): {
    live: LiveMicroBatch;
    forward: ForwardState;
    gradients: tf.Tensor[];
  } {
    const live = this.live.get(keyOf(action))!;
    const {forward, lossGradients} = live;
    live.forward = null;
    live.lossGradients = null;
    return {
      live,
      forward: forward!,
      gradients: lossGradients ?? [this.take(this.inbox, 'gradients', action)],
    };
  }

  private async backward(action: Compute): Promise<void> {
    const {stage, pass} = this.stages[action.localStage];
    const {live, forward, gradients} = this.takeForward(action);
    this.begin(action);
    const input = await runBackward(pass, forward, gradients, live.context);
    this.live.delete(keyOf(action));
    this.passGradient(stage, action, input);
  }

  private async backwardInput(action: Compute): Promise<void> {
    const {stage, pass} = this.stages[action.localStage];
    const {live, forward, gradients} = this.takeForward(action);
    this.begin(action);
    const {input, pending} = await runBackwardInput(pass, forward, gradients, live.context);
    live.pending = pending;
    this.passGradient(stage, action, input);
  }

  private async backwardWeights(action: Compute): Promise<void> {
    const {pass} = this.stages[action.localStage];
    const live = this.live.get(keyOf(action))!;
    this.begin(action);
    await runBackwardWeights(pass, live.pending!, live.context);
    this.live.delete(keyOf(action));
  }

  private passGradient({from}: StageGraph, action: Compute, input: tf.Tensor | null): void {
    if (!from) return;
    // Without a gradient, no output of the stage depends on its input: the gradient is zero.
    this.handOver(
      'gradients',
      action,
      input ?? tf.zeros([this.parts[action.microBatch].samples, ...from.shape]),
    );
  }

  /**
   * Hands a tensor to the message that sends it, or to the next stage if this rank has that too.
   */
  private handOver(
    what: StageMessage['what'],
    {microBatch, localStage}: Compute,
    tensor: tf.Tensor,
  ): void {
    if (this.comm.size > 1) this.outbox.set(`${what} ${keyOf({microBatch, localStage})}`, tensor);
    else
      this.inbox.set(
        `${what} ${keyOf({microBatch, localStage: localStage + (what === 'activations' ? 1 : -1)})}`,
        tensor,
      );
  }

  private take(
    box: Map<string, tf.Tensor>,
    what: StageMessage['what'],
    of: Pick<Compute, 'microBatch' | 'localStage'>,
  ): tf.Tensor {
    const key = `${what} ${keyOf(of)}`;
    const tensor = box.get(key)!;
    box.delete(key);
    return tensor;
  }

  private async send(action: StageMessage): Promise<void> {
    this.begin(action);
    const tensor = this.take(this.outbox, action.what, action);
    try {
      await this.channel.send(action, tensor);
    } finally {
      tensor.dispose();
    }
  }

  private async recv(action: StageMessage): Promise<void> {
    this.begin(action);
    this.inbox.set(`${action.what} ${keyOf(action)}`, await this.channel.recv(action));
  }

  private clear(): void {
    for (const {forward, lossGradients, pending} of this.live.values()) {
      if (forward) discardForward(forward);
      if (pending) discardPending(pending);
      tf.dispose(lossGradients ?? []);
    }
    tf.dispose([...this.inbox.values(), ...this.outbox.values()]);
    this.channel.dispose();
  }
}
