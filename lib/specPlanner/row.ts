/**
 * Evaluates one choice for a spec: memory of the fullest device, messages and time of a step.
 */
import type {Recipe} from '../memoryEstimate/formulas';
import {bubbleFormula} from '../pipelineParallel/namedSchedules';
import type {CheckedSpec, SpecChoice, SpecPrediction, SpecStrategy} from './spec';
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

/** A choice, its row, and the numbers that its reason is written from. */
export interface EvaluatedChoice {
  choice: SpecChoice;
  strategy: SpecStrategy;
  prediction: SpecPrediction;
  /** The stage whose device is fullest. */
  fullestStage: number;
  /** Seconds; null without the model's sizes. */
  parts: Record<SpecPart, number> | null;
}

/**
 * Bytes of parameters, gradients and optimizer state on a device. Stage 1 of ZeRO divides the
 * optimizer state by d, stage 2 also the gradients, stage 3 all three (Rajbhandari et al. 2020,
 * table 1).
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

/** Seconds of messages that follow each other; each takes α and the time of its bytes. */
export const messageSeconds = (
  {bytes, count}: Messages,
  bandwidth: number,
  {machine: {latency}}: CheckedSpec,
): number => bytes / bandwidth + count * latency;

/** The messages of a stage's device along the data axis in a step. */
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

/** Parameters on a device of a stage; stages count as equal where the sizes are unknown. */
const parametersOf = (
  sizes: CheckedSpec['sizes'],
  total: number,
  choice: SpecChoice,
  stage: number,
) =>
  sizes ? stageParameters(sizes, total, choice, stage) : total / (choice.tensor * choice.pipeline);

/**
 * The memory of the fullest device. It is on the first stage, which has the most micro-batches
 * alive, or on the last, which has the logits.
 */
function fullest(spec: CheckedSpec, total: number, choice: SpecChoice, microBatches: number) {
  const {sizes, recipe, precision} = spec;
  const stages = sizes && choice.pipeline > 1 ? [0, choice.pipeline - 1] : [0];
  const devices = stages.map((stage) => {
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
  return devices.reduce((most, device) =>
    device.memory.total > most.memory.total ? device : most,
  );
}

/**
 * Bytes per second along each axis. Ranks are numbered with tensor innermost, then data, then
 * pipeline (as in Megatron-LM). An axis has the node's bandwidth if each of its groups lies within
 * one node, else the network's.
 */
export function bandwidths(
  {machine: {devices, devicesPerNode, nodeBandwidth, networkBandwidth}}: CheckedSpec,
  {data, tensor}: SpecChoice,
) {
  const within = (span: number) => (devicesPerNode % span === 0 ? nodeBandwidth : networkBandwidth);
  return {tensor: within(tensor), data: within(tensor * data), pipeline: within(devices)};
}

/** The seconds of a step without the pipeline's bubble: its total is divided by 1 - bubble. */
function timeParts(
  spec: CheckedSpec,
  sizes: NonNullable<CheckedSpec['sizes']>,
  choice: SpecChoice,
  microBatches: number,
  bubble: number,
  messages: Record<'tensor' | 'pipeline' | 'data', Messages>,
): Record<SpecPart, number> {
  const {flopsPerSecond, efficiency} = spec.machine;
  const speed = bandwidths(spec, choice);
  const seconds = (axis: keyof typeof messages) =>
    messageSeconds(messages[axis], speed[axis], spec);
  const busy = {
    compute: (microBatches * stageFlops(sizes, choice)) / (flopsPerSecond * efficiency),
    tensor: microBatches * seconds('tensor'),
    pipeline: microBatches * seconds('pipeline'),
  };
  return {
    ...busy,
    bubble: ((busy.compute + busy.tensor + busy.pipeline) * bubble) / (1 - bubble),
    data: seconds('data'),
  };
}

/**
 * Evaluates a choice; `total` is the model's number of parameters. Nothing overlaps: a micro-batch's
 * time on the fullest stage is its arithmetic, all-reduces and sends. The pipeline takes m times
 * that, divided by 1 - bubble; the data axis's messages follow once.
 */
export function evaluateChoice(
  spec: CheckedSpec,
  total: number,
  choice: SpecChoice,
): EvaluatedChoice {
  const {machine, batchSize, sizes, precision} = spec;
  const {data, tensor, pipeline, ...rest} = choice;
  const microBatches = batchSize / (data * rest.microBatch);
  const {stage, memory} = fullest(spec, total, choice, microBatches);
  const bubble = bubbleFormula(rest.schedule, {
    ranks: pipeline,
    microBatches,
    stagesPerRank: rest.stagesPerRank,
  });
  const bytes = precision === 'mixed' ? 2 : 4;
  const tensorTraffic = sizes && tensorMessages(sizes, choice, bytes);
  const pipelineTraffic = sizes && pipelineMessages(sizes, choice, bytes);
  const dataTraffic = dataMessagesOf(spec, total, choice, microBatches, 0);
  const parts =
    sizes &&
    timeParts(spec, sizes, choice, microBatches, bubble, {
      tensor: tensorTraffic!,
      pipeline: pipelineTraffic!,
      data: dataTraffic,
    });
  const stepSeconds =
    parts && parts.compute + parts.bubble + parts.tensor + parts.pipeline + parts.data;
  const sentBytes = (messages: Messages | null, ranks: number) =>
    ranks === 1 ? 0 : messages && Math.round(microBatches * messages.bytes);
  const {microBatch, zero, recompute, sequenceParallel, stagesPerRank, schedule} = rest;
  return {
    choice,
    strategy: {
      mesh: {data, tensor, pipeline},
      microBatch,
      microBatches,
      zero,
      recompute,
      sequenceParallel,
      stagesPerRank,
      schedule,
    },
    prediction: {
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
        tensor: sentBytes(tensorTraffic, tensor),
        pipeline: sentBytes(pipelineTraffic, pipeline),
        data: Math.round(dataTraffic.bytes),
      },
    },
    fullestStage: stage,
    parts,
  };
}
