/**
 * A transformer's operations, activations and messages, by the papers' formulas: B
 * samples a step, b a micro-batch, s tokens a sample, l layers, h hidden, f between the
 * feed-forward layers, a heads, V tokens; d data, t tensor, p pipeline, m micro-batches, v stagesPerRank.
 */
import {activationBytes, type Recipe, type TransformerSizes} from '../memoryEstimate/formulas';
import {promisedLive} from '../pipelineParallel/namedSchedules';
import type {SpecChoice, SpecRecompute} from './spec';

type Sizes = Required<TransformerSizes>;

/**
 * Operations of the layers' forward pass: a layer takes 24 B s h² + 4 B s² h (Narayanan et al.
 * 2021, appendix "Floating-point operations"); of the 24, 16 are 4 f/h of the feed-forward's two
 * products.
 */
const layersForward = ({layers: l, hidden: h, sequence: s, ffn: f}: Sizes, samples: number) =>
  samples * l * (8 * s * h * h + 4 * s * h * f + 4 * s * s * h);

/** Operations of the logits, forward and backward: 6 B s h V (the same place). */
const logits = ({hidden: h, sequence: s, vocab: V}: Sizes, samples: number) =>
  6 * samples * s * h * V;

/**
 * 72 B s l h² (1 + s/(6 h) + V/(12 l h)): a forward, and a backward of twice its operations
 * (Korthikanti et al. 2022, appendix A, model FLOPs).
 */
export const modelFlops = (sizes: Sizes, samples: number): number =>
  3 * layersForward(sizes, samples) + logits(sizes, samples);

/**
 * Operations that recompute adds. Full: the layers' forward once more, which makes 96 B s l h² (1 +
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

/** Operations of a step with those of recompute. */
export const hardwareFlops = (sizes: Sizes, samples: number, recompute: SpecRecompute): number =>
  modelFlops(sizes, samples) + recomputeFlops(sizes, samples, recompute);

/**
 * Operations of a micro-batch on each device of the fullest stage: the last, which has the logits.
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
 * Operations of a micro-batch on each device of one of the p v stages, forward and backward: twice
 * the forward's and what is computed again. The last stage has the logits, so that the stages of
 * the last device come to `stageFlops`.
 */
export function passFlops(
  sizes: Sizes,
  {tensor, pipeline, stagesPerRank, microBatch, recompute}: SpecChoice,
  stage: number,
): {forward: number; backward: number} {
  const stages = pipeline * stagesPerRank;
  const forward = layersForward(sizes, microBatch) / stages;
  const again = recomputeFlops(sizes, microBatch, recompute) / stages;
  const last = stage === stages - 1 ? logits(sizes, microBatch) / 3 : 0;
  return {forward: (forward + last) / tensor, backward: (2 * (forward + last) + again) / tensor};
}

/**
 * Parameters of a stage on each device: its layers', and the tied table, V h, of which the first
 * stage and the last each hold a copy, as Megatron-LM has it; the positions, s h, are the first's.
 * All by t.
 */
export function stageParameters(
  sizes: Sizes,
  total: number,
  {tensor, pipeline}: SpecChoice,
  stage: number,
): number {
  const {hidden: h, vocab: V, sequence: s} = sizes;
  const tables = pipeline === 1 || stage === 0 ? (V + s) * h : stage === pipeline - 1 ? V * h : 0;
  return ((total - (V + s) * h) / pipeline + tables) / tensor;
}

/**
 * Bytes of activations on a device of a stage: each of its layers as often as the schedule has it
 * alive, at m ≥ p on the first stage of 1F1B all l layers' worth, interleaved l (1 + (p-1)/(p v))
 * (Korthikanti et al. 2022, section 4.2.3). First stage: a mask of s b h bytes for each micro-batch
 * on its way through the p stages. Last stage: the final norm's and the logits' inputs and float32
 * logits, 4 s b h (1 + V/h) in 16 bits (section 4.3), for each micro-batch whose backward has not
 * begun.
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

/** Messages that a device sends: their bytes in all, and how many follow each other. */
export interface Messages {
  /** Bytes. */
  bytes: number;
  /** Messages, one after the other. */
  count: number;
}

/**
 * Ring all-reduces of a micro-batch: two forward and two backward a layer, and with full recompute
 * two more, each 2 (t-1)/t of s b h numbers: 8 b s h (t-1)/t a layer (Narayanan et al. 2021,
 * section 3.2). Sequence parallelism's halves send the same (Korthikanti et al. 2022, section
 * 4.2.2).
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
 * A micro-batch's activations forward and gradients backward, s b h numbers each, v times as many
 * where interleaved (Narayanan et al. 2021, sections 2.2.2 and 3.2); by t under sequence
 * parallelism. The first stage sends no gradients, the last no activations, so that of two stages
 * the busier sends 2 v - 1.
 */
export function pipelineMessages(
  {hidden, sequence}: Sizes,
  {tensor, pipeline, microBatch, stagesPerRank, sequenceParallel}: SpecChoice,
  bytes: number,
): Messages {
  const count = pipeline === 1 ? 0 : pipeline === 2 ? 2 * stagesPerRank - 1 : 2 * stagesPerRank;
  return {
    bytes: (count * sequence * microBatch * hidden * bytes) / (sequenceParallel ? tensor : 1),
    count,
  };
}

/**
 * A step's messages over the data axis, for the Ψ parameters of a device, each (d-1)/d of them in a
 * ring (Rajbhandari et al. 2020, section 7: 2 Ψ, and 3 Ψ in stage 3). Without ZeRO gradients are
 * reduced and gathered; from stage 1 they are reduced and the parameters gathered. Where gradients
 * are divided (2, 3) each of m micro-batches is reduced by itself, and in stage 3 each gathers the
 * parameters twice, `units` (layers) at a time.
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
