/**
 * What a strategy is to one rank: hooks on the training step, and the parts of the step
 * that it replaces.
 */
import type * as tf from '@tensorflow/tfjs';
import type {OptimizerState} from '../model/description';
import type {Graph, LayerCall} from '../model/graph';
import type {ModelPart} from '../model/modelPart';
import type {CommunicatingLayerOf, StepHooks, WeightGradient} from './hooks';
import type {ParameterStorage} from './parameterStorage';
import type {Objective, Sums} from './objective';
import type {PenaltyCounts} from './penalties';
import type {Recompute, Segment} from '../model/segments';
import type {GradientSum} from './gradientSum';

/** The tensors of one micro-batch; dim 0 counts its samples. */
export interface MicroBatch {
  xs: tf.Tensor[];
  ys: tf.Tensor[];
  /** For each output one number a sample, or a sample and position; or null. */
  weights: Array<tf.Tensor | null>;
  samples: number;
}

/** A micro-batch whose tensors are made only when its turn comes, which saves memory. */
export interface BatchPart {
  /** 0 if this rank has no share of the micro-batch. */
  samples: number;
  /** The index of its first sample in the whole batch. */
  firstSample: number;
  /** Its samples divided by those of the whole batch over all ranks: the weight of its mean. */
  share: number;
  /** Of a validation batch: the number of optimizer steps before it, and its index. */
  validation?: {step: number; batch: number};
  /** `need`: leaves out the inputs or the targets if the rank does not need them. */
  make(need?: {xs: boolean; ys: boolean}): MicroBatch;
}

/** The part of the stepper that a strategy may use. */
export interface StepHost {
  readonly graph: Graph;
  readonly objective: Objective;
  readonly gradients: GradientSum;
  readonly hooks: readonly StepHooks[];
  readonly segments: Segment[];
  readonly seed: number;
  readonly recompute: Recompute;
}

/** How a rank takes part in predictions for validation. */
export interface PredictionContext {
  communicatingLayer: CommunicatingLayerOf;
  /** Whether this rank counts a loss that several ranks compute alike. */
  countsLoss: boolean;
}

export interface RankStrategy {
  readonly hooks: readonly StepHooks[];
  readonly communicatingLayer: CommunicatingLayerOf;
  readonly prediction: PredictionContext;
  /** The calls whose weights this rank holds, if it does not hold all. */
  heldCalls?(graph: Graph): LayerCall[];
  /**
   * Replaces the forward and backward passes of a step's micro-batches; returns this rank's part of
   * loss and metrics.
   */
  runParts?(step: number, parts: BatchPart[]): Promise<Sums>;
  /**
   * Replaces the evaluation of a validation batch; returns this rank's part of loss and metrics.
   */
  evaluate?(part: BatchPart): Promise<Sums>;
  /**
   * Sums each rank's loss and metrics over all ranks. `penalty`: what this rank's layers add to the
   * loss of a training step; validation has none.
   */
  sumValues(sums: Sums, penalty?: number): Promise<Sums>;
  /** Whether ranks see different samples of a batch. */
  readonly dividesSamples: boolean;
  /** Whether this rank runs the model's last layers, and so computes the loss. */
  readonly computesLoss: boolean;
  /** The sum over the ranks that hold different samples of what each has counted in them. */
  sumCounts(counts: number[]): Promise<number[]>;
  /**
   * Which weights' penalties this rank counts, if other ranks hold the weights too.
   * @default those of all weights that it holds
   */
  countsPenalty?: PenaltyCounts;
  /**
   * Whether ranks hold different gradients. Each penalty's gradient is then added in the backward
   * pass of its layer, and not once after all of them.
   */
  readonly dividesGradients: boolean;
  /**
   * The sum of squares of all ranks' gradients, each weight counted once, if the step's own
   * gradients are not all of them.
   */
  squares?(): Promise<number>;
  /** Clips and applies the gradients, if the strategy holds them itself. */
  apply?(globalClipNorm: number | undefined): Promise<void>;
  /** Called before the first step. */
  open(stepper: StepHost): Promise<void>;
  /**
   * After `sumValues`, on all ranks: the first weight whose gradient is NaN or infinite, and the
   * ranks whose local loss is.
   */
  nonFinite(): Promise<{gradient: string | null; ranks: number[]}>;
  /** Called for a validation batch in which this rank has no samples. */
  emptyRankPredict?(): Promise<void>;
  /**
   * Collects the model's weights and state on rank 0, which writes them into the buffer that `make`
   * returns. All ranks must call it. Resolves to the state's description.
   */
  save(make: (state: OptimizerState) => ArrayBuffer | null): Promise<OptimizerState>;
  /**
   * Loads a part of the model again, after a callback changed it. All ranks must call it; `source`
   * is null on all ranks except rank 0.
   */
  reload(source: ArrayBuffer | null, part: ModelPart): Promise<void>;
  /** Called after the model has been disposed of. */
  dispose(): void;
}

/** What one axis of the mesh adds to a rank's step, in combination with any other axes. */
export interface AxisStrategy {
  readonly hooks: StepHooks;
  readonly communicatingLayer: CommunicatingLayerOf;
  dispose(): void;
}

/** A rank's forward and backward passes in one step, in order; the same on all data ranks. */
export type LayerSchedule = Array<{direction: 'forward' | 'backward'; segments: Segment[]}>;

/** What the data axis gets from the model and from the other axes. */
export interface DataContext {
  stepper: StepHost;
  /** The layers that this rank runs; one list for each contiguous part of the model. */
  runs: LayerCall[][];
  /** Whether another axis completes the weight's gradient after the last backward pass. */
  completedLater(variable: tf.Variable): boolean;
  /** The passes of a step with `parts` micro-batches. */
  layerSchedule(parts: number): LayerSchedule;
  /** Fills the weights and the optimizer's state; `storage` says how this rank holds them. */
  load(storage: ParameterStorage): Promise<void>;
}

/** The data axis: all ranks have the same weights, or shards of them, and different samples. */
export interface DataAxis extends AxisStrategy {
  open(context: DataContext): Promise<void>;
  /**
   * The sum of squares of those gradients that this rank holds itself, for the weights that
   * `counts` accepts. Over all ranks each gradient is counted once.
   */
  squares?(counts: (entry: WeightGradient) => boolean): number;
  /** Applies the gradients, each multiplied by `scale`, if this axis holds them itself. */
  apply?(scale: number): Promise<void>;
  /** The first weight whose gradient on this rank is NaN or infinite. */
  firstNonFinite(): WeightGradient | undefined;
  /** Called for a validation batch in which this rank has no samples. */
  emptyRankPredict(): Promise<void>;
}
