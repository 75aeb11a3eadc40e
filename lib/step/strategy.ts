/**
 * Worker side. What a strategy is to the run of one rank: hooks on the step, and what it does in the step's place.
 */
import type {HalvesOf, StepHooks} from './hooks';
import type {Values} from './objective';
import type {Graph, LayerCall} from './graph';
import type {BatchPart, Stepper} from './trainStep';
import type {PenaltyCounts} from './penalties';
import type {OptimizerState} from '../model/description';

export interface RankStrategy {
  readonly hooks: StepHooks;
  readonly halves: HalvesOf;
  /** The calls whose weights this rank has, where it has not all. */
  own?(graph: Graph): LayerCall[];
  /** Takes the micro-batches of a step forward and backward in the step's place; returns this rank's part of loss and metrics. */
  walkParts?(step: number, parts: BatchPart[]): Promise<Values>;
  /** This rank's part of loss and metrics on data that is not trained on, in the step's place. */
  evaluate?(part: BatchPart): Promise<Values>;
  /** Loss and metrics of all ranks together, from each rank's; `penalty`: what this rank's layers add to the loss of a step, of validation it is in `values`. */
  sumValues(values: Values, penalty?: number): Promise<Values>;
  /** Of which weights this rank counts the penalties, where other ranks have the weight too. @default all that it has */
  countsPenalty?: PenaltyCounts;
  /** Whether ranks hold different gradients: penalties on weights then join each while it is walked, and not once all are summed. */
  readonly divides: boolean;
  /** The squares of all ranks' gradients, each weight's once, where the step's own sum has not all of them. */
  squares?(): Promise<number>;
  /** Clips and applies the gradients, where the strategy holds them itself. */
  apply?(clipNorm: number | undefined): Promise<void>;
  /** Once the stepper is there, before the first step. */
  open(stepper: Stepper): Promise<void>;
  /** After `sumValues`: the first weight whose gradient is no number, and the ranks whose own loss is none. All ranks ask. */
  broken(): Promise<{gradient: string | null; ranks: number[]}>;
  /** A batch of validation of which this rank has no sample. */
  absentPredict?(): Promise<void>;
  /** Where no rank holds all of it: all ranks give the model's state, rank 0 into what `make` returns. */
  save?(make: (state: OptimizerState) => ArrayBuffer | null): Promise<OptimizerState>;
  /** After the model's weights are gone. */
  dispose(): void;
}
