/**
 * One choice for a spec: its memory on the fullest device, its messages and its time.
 */
import type {Recipe} from '../memoryEstimate/formulas';
import {bubbleFormula} from '../pipelineParallel/namedSchedules';
import type {CheckedSpec, SpecChoice, SpecRow} from './spec';
import {
  dataMessages,
  hardwareFlops,
  modelFlops,
  pipelineMessages,
  stageActivations,
  stageFlops,
  stageParameters,
  tensorMessages,
  type Messages,
} from './formulas';

/** What a step's time is made of, in seconds. */
export type SpecPart = 'compute' | 'bubble' | 'tensor' | 'pipeline' | 'data';

/** A choice, its row, and what the reason is written from. */
export interface Evaluated {
  choice: SpecChoice;
  row: Omit<SpecRow, 'reason'>;
  /** The stage whose device is fullest. */
  stage: number;
  /** Null without the model's sizes. */
  parts: Record<SpecPart, number> | null;
}

/**
 * Bytes of parameters, gradients and optimizer that a device holds: stage 1 of ZeRO divides the
 * optimizer's by d, 2 gradients too, 3 all (Rajbhandari et al. 2020, table 1).
 */
function stateBytes(parameters: number, recipe: Recipe, {zero, data}: SpecChoice): Recipe {
  const share = (bytes: number, from: number) =>
    Math.round((parameters * bytes) / (zero >= from ? data : 1));
  return {
    parameters: share(recipe.parameters, 3),
    gradients: share(recipe.gradients, 2),
    optimizer: share(recipe.optimizer, 1),
  };
}

/** Seconds of messages that follow each other, each α and its bytes. */
export const messageSeconds = (
  {bytes, count}: Messages,
  bandwidth: number,
  {machine: {latency}}: CheckedSpec,
): number => bytes / bandwidth + count * latency;

/** What a device of a stage says over the data axis in a step. */
export function dataMessagesOf(
  {sizes, recipe}: CheckedSpec,
  total: number,
  choice: SpecChoice,
  microBatches: number,
  stage: number,
): Messages {
  return dataMessages(
    parametersOf(sizes, total, choice, stage),
    choice,
    microBatches,
    recipe,
    sizes ? sizes.layers / choice.pipeline : 1,
  );
}

/** Parameters on a device of a stage; of equal stages where the sizes are not known. */
const parametersOf = (
  sizes: CheckedSpec['sizes'],
  total: number,
  choice: SpecChoice,
  stage: number,
) =>
  sizes ? stageParameters(sizes, total, choice, stage) : total / (choice.tensor * choice.pipeline);

/**
 * The fullest device: of the first stage, which has the most micro-batches alive, or of the last,
 * which has the logits.
 */
function fullest(spec: CheckedSpec, total: number, choice: SpecChoice, microBatches: number) {
  const {sizes, recipe, precision} = spec;
  const stages = sizes && choice.pipeline > 1 ? [0, choice.pipeline - 1] : [0];
  const found = stages.map((stage) => {
    const state = stateBytes(parametersOf(sizes, total, choice, stage), recipe, choice);
    const activations = sizes
      ? Math.round(
          stageActivations(sizes, choice, microBatches, precision === 'mixed' ? 2 : 4, stage),
        )
      : null;
    return {
      stage,
      memory: {
        ...state,
        activations,
        total: state.parameters + state.gradients + state.optimizer + (activations ?? 0),
      },
    };
  });
  return found.reduce((most, one) => (one.memory.total > most.memory.total ? one : most));
}

/**
 * Bytes a second along each axis. Ranks are numbered with tensor innermost, then data, then
 * pipeline (as Megatron-LM does): an axis whose groups each lie in one node has the node's
 * bandwidth, any other the network's.
 */
export function bandwidths(
  {machine: {devices, devicesPerNode, nodeBandwidth, networkBandwidth}}: CheckedSpec,
  {data, tensor}: SpecChoice,
) {
  const within = (span: number) => (devicesPerNode % span === 0 ? nodeBandwidth : networkBandwidth);
  return {tensor: within(tensor), data: within(tensor * data), pipeline: within(devices)};
}

/**
 * The row of a choice. Nothing overlaps: a micro-batch's time on the fullest stage is its
 * arithmetic, all-reduces and sends; m of them, over 1 - bubble, are the pipeline's time; then the
 * data axis talks, once.
 */
export function evaluateChoice(spec: CheckedSpec, total: number, choice: SpecChoice): Evaluated {
  const {machine, batchSize, sizes, precision} = spec;
  const {
    data,
    tensor,
    pipeline,
    microBatch,
    zero,
    recompute,
    sequenceParallel,
    stagesPerRank,
    schedule,
  } = choice;
  const microBatches = batchSize / (data * microBatch);
  const {stage, memory} = fullest(spec, total, choice, microBatches);
  const bubble = bubbleFormula(schedule, {ranks: pipeline, microBatches, stagesPerRank});
  const bytes = precision === 'mixed' ? 2 : 4;
  const messages = {
    tensor: sizes ? tensorMessages(sizes, choice, bytes) : null,
    pipeline: sizes ? pipelineMessages(sizes, choice, bytes) : null,
    data: dataMessagesOf(spec, total, choice, microBatches, 0),
  };

  let parts: Evaluated['parts'] = null;
  if (sizes && messages.tensor && messages.pipeline) {
    const speed = bandwidths(spec, choice);
    const seconds = (one: Messages, bandwidth: number) => messageSeconds(one, bandwidth, spec);
    const busy = {
      compute:
        (microBatches * stageFlops(sizes, choice)) / (machine.flopsPerSecond * machine.efficiency),
      tensor: microBatches * seconds(messages.tensor, speed.tensor),
      pipeline: microBatches * seconds(messages.pipeline, speed.pipeline),
    };
    parts = {
      ...busy,
      bubble: ((busy.compute + busy.tensor + busy.pipeline) * bubble) / (1 - bubble),
      data: seconds(messages.data, speed.data),
    };
  }
  const stepSeconds =
    parts && parts.compute + parts.bubble + parts.tensor + parts.pipeline + parts.data;
  const sent = (one: Messages | null, along: number) =>
    along === 1 ? 0 : one && Math.round(microBatches * one.bytes);
  const row: Evaluated['row'] = {
    mesh: {data, tensor, pipeline},
    microBatch,
    microBatches,
    zero,
    recompute,
    sequenceParallel,
    stagesPerRank,
    schedule,
    memory,
    fits: memory.total <= machine.memoryBytes,
    stepSeconds,
    hardwareFlops: sizes && hardwareFlops(sizes, batchSize, recompute),
    mfu:
      sizes &&
      stepSeconds &&
      modelFlops(sizes, batchSize) / (stepSeconds * machine.devices * machine.flopsPerSecond),
    bubble,
    traffic: {
      tensor: sent(messages.tensor, tensor),
      pipeline: sent(messages.pipeline, pipeline),
      data: Math.round(messages.data.bytes),
    },
  };
  return {choice, row, stage, parts};
}
