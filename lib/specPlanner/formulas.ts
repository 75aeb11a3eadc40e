/**
 * A transformer's operations, activations and messages by the papers' formulas. Symbols: B samples
 * of a step, b samples of a micro-batch, s tokens of a sample, l layers, h hidden, f the width
 * between the feed-forward layers, a heads, V vocabulary; d data, t tensor, p pipeline, m
 * micro-batches, v stages per rank.
 */
import {activationBytes, type Recipe, type TransformerSizes} from '../memoryEstimate/formulas';
import {promisedLive} from '../pipelineParallel/namedSchedules';
import type {SpecChoice, SpecRecompute} from './spec';

type Sizes = Required<TransformerSizes>;

/**
 * Operations of the layers' forward pass: a layer takes 24 B s h² + 4 B s² h (Narayanan et al.
 * 2021, appendix "Floating-point operations"). Of the 24, 16 come from the feed-forward layers' two
 * products: 4 f/h each way.
 */
const layersForward = ({layers: l, hidden: h, sequence: s, ffn: f}: Sizes, samples: number) =>
  samples * l * (8 * s * h * h + 4 * s * h * f + 4 * s * s * h);

/** Operations of the logits, forward and backward: 6 B s h V (same appendix). */
const logits = ({hidden: h, sequence: s, vocab: V}: Sizes, samples: number) =>
  6 * samples * s * h * V;

/**
 * Operations of a step's forward, and of its backward, which takes twice as many: 72 B s l h² (1 +
 * s/(6 h) + V/(12 l h)) (Korthikanti et al. 2022, appendix A, model FLOPs).
 */
export const modelFlops = (sizes: Sizes, samples: number): number =>
  3 * layersForward(sizes, samples) + logits(sizes, samples);

/**
 * Operations that recompute adds. Full: another forward of the layers, in total 96 B s l h² (1 +
 * s/(6 h) + V/(16 l h)) (Narayanan et al. 2021, equation 3). Selective: 12 B s² h a layer, as in
 * Korthikanti et al. 2022, appendix A, 72 B s l h² (1 + s/(3 h) + V/(12 l h)), which is what its
 * table of utilizations shows; counting products alone it would be 4 B s² h.
 */
function recomputeFlops(sizes: Sizes, samples: number, recompute: SpecRecompute): number {
  if (recompute === 'full') return layersForward(sizes, samples);
  return recompute === 'selective'
    ? 12 * samples * sizes.layers * sizes.sequence ** 2 * sizes.hidden
    : 0;
}

/** Operations of a step, including those of recompute. */
export const hardwareFlops = (sizes: Sizes, samples: number, recompute: SpecRecompute): number =>
  modelFlops(sizes, samples) + recomputeFlops(sizes, samples, recompute);

/**
 * Operations of a micro-batch on each device of the busiest stage, the last: it has the logits.
 */
export function stageFlops(
  sizes: Sizes,
  {tensor, pipeline, microBatch, recompute}: SpecChoice,
): number {
  const layers =
    3 * layersForward(sizes, microBatch) + recomputeFlops(sizes, microBatch, recompute);
  return (layers / pipeline + logits(sizes, microBatch)) / tensor;
}

/**
 * Operations of a micro-batch on each device of one of the p v stages. A backward takes twice the
 * forward's operations and those of recompute. The last stage has the logits, so the stages of the
 * last device add up to `stageFlops`.
 */
export function passFlops(
  sizes: Sizes,
  {tensor, pipeline, stagesPerRank, microBatch, recompute}: SpecChoice,
  stage: number,
): {forward: number; backward: number} {
  const stages = pipeline * stagesPerRank;
  const forward = layersForward(sizes, microBatch) / stages;
  const recomputed = recomputeFlops(sizes, microBatch, recompute) / stages;
  const head = stage === stages - 1 ? logits(sizes, microBatch) / 3 : 0;
  return {
    forward: (forward + head) / tensor,
    backward: (2 * (forward + head) + recomputed) / tensor,
  };
}

/**
 * Parameters of a stage on each device: those of its layers and of the tied embedding table, V h. As
 * in Megatron-LM, the first and the last stage each hold a copy of the table. The first stage also
 * holds the position embedding, s h. All of it is divided by t.
 */
export function stageParameters(
  sizes: Sizes,
  total: number,
  {tensor, pipeline}: SpecChoice,
  stage: number,
): number {
  const {hidden: h, vocab: V, sequence: s} = sizes;
  const layers = (total - (V + s) * h) / pipeline;
  if (pipeline === 1 || stage === 0) return (layers + (V + s) * h) / tensor;
  const table = stage === pipeline - 1 ? V * h : 0;
  return (layers + table) / tensor;
}

/**
 * Bytes of activations on a device of a stage: those of its layers, times the number of micro-batches
 * that the schedule keeps alive. At m ≥ p the first stage of 1F1B keeps as much as l layers do,
 * interleaved l (1 + (p-1)/(p v)) (Korthikanti et al. 2022, section 4.2.3). The first stage adds a
 * dropout mask of s b h bytes for each micro-batch in the pipeline. The last stage adds the inputs of
 * the final norm and of the logits, and float32 logits: 4 s b h (1 + V/h) in 16 bits (section 4.3)
 * for each micro-batch whose backward has not begun.
 */
export function stageActivations(
  sizes: Sizes,
  choice: SpecChoice,
  microBatches: number,
  bytes: 2 | 4,
  stage: number,
): number {
  const {
    tensor: t,
    pipeline: p,
    microBatch: b,
    stagesPerRank,
    schedule,
    sequenceParallel,
    recompute,
  } = choice;
  const live = promisedLive(schedule, {ranks: p, microBatches, stagesPerRank})[stage];
  const layers =
    activationBytes(
      {...sizes, layers: 1},
      {batch: b, bytes, recompute, tensor: t, sequenceParallel},
    ) *
    (sizes.layers / (p * stagesPerRank)) *
    live;
  const sbh = (sizes.sequence * b * sizes.hidden) / (sequenceParallel ? t : 1);
  const head = 2 * bytes * sbh + (4 * sizes.sequence * b * sizes.vocab) / t;
  const interleaved = schedule === 'interleaved-1f1b';
  return (
    layers +
    (stage === 0 ? sbh * (interleaved ? p : live) : 0) +
    (stage === p - 1 ? head * (interleaved ? 1 : live) : 0)
  );
}

/** Messages that a device sends one after another. */
export interface Messages {
  /** Bytes of all messages together. */
  bytes: number;
  /** The number of messages. */
  count: number;
}

/**
 * Ring all-reduces of a micro-batch: each layer has two in the forward and two in the backward, and
 * two more with full recompute. Each sends 2 (t-1)/t of s b h numbers, in total 8 b s h (t-1)/t per
 * layer (Narayanan et al. 2021, section 3.2). The all-gathers and reduce-scatters of sequence
 * parallelism send the same (Korthikanti et al. 2022, section 4.2.2).
 */
export function tensorMessages(
  {layers, hidden, sequence}: Sizes,
  {tensor: t, pipeline, microBatch, recompute}: SpecChoice,
  bytes: number,
): Messages {
  const reductions = (layers / pipeline) * (recompute === 'full' ? 6 : 4);
  return {
    bytes: (reductions * 2 * (t - 1) * sequence * microBatch * hidden * bytes) / t,
    count: reductions * 2 * (t - 1),
  };
}

/**
 * A micro-batch's activations in the forward and gradients in the backward: s b h numbers each, v
 * times as many messages where stages are interleaved (Narayanan et al. 2021, sections 2.2.2 and
 * 3.2), divided by t under sequence parallelism. The first stage sends no gradients and the last no
 * activations, so the busier of two devices sends 2 v - 1.
 */
export function pipelineMessages(
  {hidden, sequence}: Sizes,
  {tensor, pipeline, microBatch, stagesPerRank, sequenceParallel}: SpecChoice,
  bytes: number,
): Messages {
  const perMicroBatch = pipeline === 2 ? 2 * stagesPerRank - 1 : 2 * stagesPerRank;
  const count = pipeline === 1 ? 0 : perMicroBatch;
  return {
    bytes: (count * sequence * microBatch * hidden * bytes) / (sequenceParallel ? tensor : 1),
    count,
  };
}

/**
 * A step's messages along the data axis for the Ψ parameters of a device. Each collective of a ring
 * sends (d-1)/d of them (Rajbhandari et al. 2020, section 7: 2 Ψ, and 3 Ψ in stage 3). Without ZeRO,
 * gradients are reduce-scattered and all-gathered; from stage 1 on, the parameters are all-gathered
 * instead. In stages 2 and 3, each of the m micro-batches reduces its gradients separately. In stage
 * 3, each micro-batch also gathers the parameters twice, one of `units` (layers) at a time.
 */
export function dataMessages(
  parameters: number,
  {data: d, zero}: SpecChoice,
  microBatches: number,
  recipe: Recipe,
  units: number,
): Messages {
  const reductions = zero >= 2 ? microBatches : 1;
  const gatherings = zero === 3 ? 2 * microBatches : 1;
  const gathered = zero === 0 ? recipe.gradients : recipe.parameters;
  return {
    bytes: ((d - 1) / d) * parameters * (reductions * recipe.gradients + gatherings * gathered),
    count: (d - 1) * (reductions + gatherings) * (zero === 3 ? units : 1),
  };
}
