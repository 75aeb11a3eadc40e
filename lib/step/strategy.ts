/**
 * What a strategy is to the run of one rank: hooks on the step, and what it does in
 * the step's place.
 */
import type * as tf from '@tensorflow/tfjs';
import type {OptimizerState} from '../model/description';
import type {Graph, LayerCall} from '../model/graph';
import type {CommunicatingLayerOf, StepHooks, WeightGradient} from './hooks';
import type {ParameterStorage} from './parameterStorage';
import type {Values} from './objective';
import type {PenaltyCounts} from './penalties';
import type {Segment} from '../model/segments';
import type {BatchPart, Stepper} from './trainStep';

/** How a rank takes part in what is not trained on. */
export interface Predicting {
  halves: CommunicatingLayerOf;
  /** Whether it counts the loss that several ranks find alike. */
  countsLoss: boolean;
}

export interface RankStrategy {
  readonly hooks: readonly StepHooks[];
  readonly communicatingLayer: CommunicatingLayerOf;
  readonly predicting: Predicting;
  /** The calls whose weights this rank has, where it has not all. */
  ownCalls?(graph: Graph): LayerCall[];
  /**
   * Takes the micro-batches of a step forward and backward in the step's place; returns this rank's
   * part of loss and metrics.
   */
  walkParts?(step: number, parts: BatchPart[]): Promise<Values>;
  /** This rank's part of loss and metrics on data that is not trained on, in the step's place. */
  evaluate?(part: BatchPart): Promise<Values>;
  /**
   * Loss and metrics of all ranks together, from each rank's; `penalty`: what this rank's layers
   * add to the loss of a step, of validation it is in `values`.
   */
  sumValues(values: Values, penalty?: number): Promise<Values>;
  /**
   * Of which weights this rank counts the penalties, where other ranks have the weight too.
   * @default all that it has
   */
  countsPenalty?: PenaltyCounts;
  /**
   * Whether ranks hold different gradients: penalties on weights then join each while it is walked,
   * and not once all are summed.
   */
  readonly dividesGradients: boolean;
  /**
   * The squares of all ranks' gradients, each weight's once, where the step's own sum has not all
   * of them.
   */
  squares?(): Promise<number>;
  /** Clips and applies the gradients, where the strategy holds them itself. */
  apply?(globalClipNorm: number | undefined): Promise<void>;
  /** Once the stepper is there, before the first step. */
  open(stepper: Stepper): Promise<void>;
  /**
   * After `sumValues`: the first weight whose gradient is no number, and the ranks whose own loss
   * is none. All ranks ask.
   */
  nonFinite(): Promise<{gradient: string | null; ranks: number[]}>;
  /** A batch of validation of which this rank has no sample. */
  emptyRankPredict?(): Promise<void>;
  /**
   * Where no rank holds all of it: all ranks give the model's state, rank 0 into what `make`
   * returns.
   */
  save?(make: (state: OptimizerState) => ArrayBuffer | null): Promise<OptimizerState>;
  /** After the model's weights are gone. */
  dispose(): void;
}

/** What an axis of the mesh adds to the step of a rank, whichever axes stand beside it. */
export interface AxisStrategy {
  readonly hooks: StepHooks;
  readonly halves: CommunicatingLayerOf;
  dispose(): void;
}

/** Walks of a rank's layers in one step, in order; the same on all ranks of the data axis. */
export type LayerSchedule = Array<{direction: 'forward' | 'backward'; segments: Segment[]}>;

/** What the data axis finds beside it. */
export interface DataContext {
  stepper: Stepper;
  /** The layers that this rank walks, in runs between which others of the model lie. */
  runs: LayerCall[][];
  /**
   * Weights whose gradients other axes complete after the last walk: until then they are no whole
   * summand.
   */
  late(variable: tf.Variable): boolean;
  layerSchedule(parts: number): LayerSchedule;
  /** Fills the weights and the optimizer's state, kept as `keeping` says. */
  load(keeping: ParameterStorage): Promise<void>;
}

/**
 * The data axis: each rank has the same weights, or parts of them, and its share of the samples.
 */
export interface DataAxis extends AxisStrategy {
  open(context: DataContext): Promise<void>;
  /**
   * The sum of the squares of the gradients that this rank holds itself, of the weights that
   * `counts` takes; all ranks together have each once.
   */
  squares?(counts: (entry: WeightGradient) => boolean): number;
  /** Applies the gradients, each times `scale`, where this axis holds them itself. */
  apply?(scale: number): Promise<void>;
  /** The first weight of whose gradient this rank holds a number that is none. */
  firstNonFinite(): WeightGradient | undefined;
  absentPredict(): Promise<void>;
}
