/**
 * `simulateRow(spec, row)`: simulates a row of a plan action by action, with the formulas that the
 * row's seconds are computed from.
 */
import {transformerParameters} from '../memoryEstimate/formulas';
import {shown} from '../base/errors';
import {anObject, listOf, readOptions, refuseOption, type OptionTable} from '../base/options';
import {readSpec} from '../specPlanner/readSpec';
import {simulate, type Simulation} from './simulate';
import type {CheckedSpec, SpecChoice, SpecRow, TransformerSpec} from '../specPlanner/spec';
import {passFlops, pipelineMessages, tensorMessages} from '../specPlanner/formulas';
import {bandwidths, dataMessagesOf, messageSeconds} from '../specPlanner/row';
import type {SimulationCosts} from './costs';

/** Which spans `simulateRow` returns. */
export interface SimulateRowOptions {
  /** The ranks whose spans are returned, as in `simulate`. */
  ranks?: readonly number[];
}

const OPTIONS: OptionTable<SimulateRowOptions> = {'ranks?': listOf('ranks, such as [0, 1]')};

function refuse(message: string): never {
  refuseOption(`simulateRow: ${message}`);
}

function choiceOf({machine: {devices}, batchSize}: CheckedSpec, row: SpecRow): SpecChoice {
  if (!anObject.accepts(row) || !anObject.accepts(row.strategy?.mesh))
    refuse(`row must be one of planSpec(spec).rows; it is ${shown(row)}.`);
  const {mesh, microBatches, ...rest} = row.strategy;
  const ranks = mesh.data * mesh.tensor * mesh.pipeline;
  const samples = mesh.data * rest.microBatch * microBatches;
  if (ranks !== devices || samples !== batchSize)
    refuse(
      `the row has ${ranks} devices and ${samples} samples, and the spec ${devices} and ${batchSize}: give the spec that it was planned from.`,
    );
  return {...mesh, ...rest};
}

/** The costs of a choice's actions, in seconds. */
function costsOf(
  spec: CheckedSpec,
  sizes: NonNullable<CheckedSpec['sizes']>,
  choice: SpecChoice,
  microBatches: number,
): SimulationCosts {
  const {machine, precision} = spec;
  const {tensor, pipeline, data, stagesPerRank, recompute} = choice;
  const bytes = precision === 'mixed' ? 2 : 4;
  const speed = bandwidths(spec, choice);
  const arithmetic = (flops: number) => flops / (machine.flopsPerSecond * machine.efficiency);
  const reductions =
    tensor > 1
      ? messageSeconds(tensorMessages(sizes, choice, bytes), speed.tensor, spec) / stagesPerRank
      : 0;
  // Two of a layer's all-reduces are in its forward. Full recompute repeats them in the backward.
  const reduced = {
    forward: reductions * (recompute === 'full' ? 2 / 6 : 2 / 4),
    backward: reductions * (recompute === 'full' ? 4 / 6 : 2 / 4),
  };
  const forward = (stage: number) => arithmetic(passFlops(sizes, choice, stage).forward);
  const backward = (stage: number) => arithmetic(passFlops(sizes, choice, stage).backward);
  // Half of a backward without recompute is for the weights. It needs no all-reduce.
  const weightsBackward = (stage: number) =>
    arithmetic(passFlops(sizes, {...choice, recompute: 'none'}, stage).backward / 2);
  const messages = pipelineMessages(sizes, choice, bytes);
  const parameters = transformerParameters(sizes);
  const dataSeconds = (pipelineRank: number) =>
    messageSeconds(
      dataMessagesOf(spec, parameters, choice, microBatches, pipelineRank),
      speed.data,
      spec,
    );
  return {
    forward: (stage) => forward(stage) + reduced.forward,
    backward: (stage) => backward(stage) + reduced.backward,
    backwardInput: (stage) => backward(stage) - weightsBackward(stage) + reduced.backward,
    backwardWeights: weightsBackward,
    tensor: {
      forward: reduced.forward,
      backward: reduced.backward,
      backwardInput: reduced.backward,
    },
    send: pipeline > 1 ? messageSeconds(messages, speed.pipeline, spec) / messages.count : 0,
    data: data > 1 ? dataSeconds : 0,
  };
}

/**
 * Simulates a step of a row of `planSpec(spec)`, with costs in seconds from the same formulas. The
 * result differs from the row's seconds in two ways. Each stage takes its own time, while the row
 * counts every stage as long as the last, which has the logits; this makes the simulation shorter. A
 * rank waits while a message is on its way; this makes it longer, by up to a few sends per stage.
 * Throws BAD_OPTION for a spec that has only a number of parameters, and for a row of another spec.
 */
export function simulateRow(
  spec: TransformerSpec,
  row: SpecRow,
  options: SimulateRowOptions = {},
): Simulation {
  const {ranks} = readOptions('simulateRow', options, OPTIONS);
  const checked = readSpec(spec);
  const {sizes} = checked;
  if (!sizes)
    refuse(
      "the spec has its model's parameters alone, from which no time follows: give layers, hidden, heads, vocab and sequence.",
    );
  const choice = choiceOf(checked, row);
  const {data, tensor, pipeline, stagesPerRank, schedule} = choice;
  const {microBatches} = row.strategy;
  return simulate({
    mesh: {data, tensor, pipeline},
    schedule,
    microBatches,
    costs: costsOf(checked, sizes, choice, microBatches),
    ...(schedule === 'interleaved-1f1b' ? {stagesPerRank} : {}),
    ...(ranks ? {ranks} : {}),
  });
}
