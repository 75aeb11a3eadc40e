/**
 * A row of a plan on the virtual clock: its step action by action, from the formulas
 * that the row's seconds are made of.
 */
import {transformerParameters} from '../memoryEstimate/formulas';
import {ManyHandsError, shown} from '../base/errors';
import {readSpec} from '../specPlanner/readSpec';
import {simulate, type Simulation} from './simulate';
import type {CheckedSpec, SpecChoice, SpecRow, TransformerSpec} from '../specPlanner/spec';
import {passFlops, pipelineMessages, tensorMessages} from '../specPlanner/formulas';
import {bandwidths, dataMessagesOf, messageSeconds} from '../specPlanner/row';
import type {SimulationCosts} from './costs';

function refuse(message: string): never {
  throw new ManyHandsError('BAD_OPTION', `simulateRow: ${message}`);
}

function choiceOf({machine: {devices}, batchSize}: CheckedSpec, row: SpecRow): SpecChoice {
  if (row === null || typeof row !== 'object' || !row.mesh)
    refuse(`row must be one of planSpec(spec).rows; it is ${shown(row)}.`);
  const {
    mesh: {data, tensor, pipeline},
    microBatch,
    microBatches,
    zero,
    recompute,
    sequenceParallel,
    stagesPerRank,
    schedule,
  } = row;
  if (data * tensor * pipeline !== devices || data * microBatch * microBatches !== batchSize) {
    refuse(
      `the row has ${data * tensor * pipeline} devices and ${data * microBatch * microBatches} samples, and the spec ${devices} and ${batchSize}: give the spec that it was planned from.`,
    );
  }
  return {
    data,
    tensor,
    pipeline,
    microBatch,
    zero,
    recompute,
    sequenceParallel,
    stagesPerRank,
    schedule,
  };
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
  // Of a layer's all-reduces two are forward; full recompute has those again in its backward.
  const reductions =
    tensor > 1
      ? messageSeconds(tensorMessages(sizes, choice, bytes), speed.tensor, spec) / stagesPerRank
      : 0;
  const said = {
    forward: reductions * (recompute === 'full' ? 2 / 6 : 2 / 4),
    backward: reductions * (recompute === 'full' ? 4 / 6 : 2 / 4),
  };
  const forward = (stage: number) => arithmetic(passFlops(sizes, choice, stage).forward);
  const backward = (stage: number) => arithmetic(passFlops(sizes, choice, stage).backward);
  // Half of a backward without recompute is for the weights, and says nothing.
  const ofWeights = (stage: number) =>
    arithmetic(passFlops(sizes, {...choice, recompute: 'none'}, stage).backward / 2);
  const messages = pipelineMessages(sizes, choice, bytes);
  const parameters = transformerParameters(sizes);
  return {
    forward: (stage) => forward(stage) + said.forward,
    backward: (stage) => backward(stage) + said.backward,
    backwardInput: (stage) => backward(stage) - ofWeights(stage) + said.backward,
    backwardWeights: ofWeights,
    tensor: {forward: said.forward, backward: said.backward, backwardInput: said.backward},
    send: pipeline > 1 ? messageSeconds(messages, speed.pipeline, spec) / messages.count : 0,
    data: (place) =>
      data > 1
        ? messageSeconds(
            dataMessagesOf(spec, parameters, choice, microBatches, place),
            speed.data,
            spec,
          )
        : 0,
  };
}

/**
 * Plays a row of `planSpec(spec)`: seconds as the row has them, but that each stage takes its own
 * time, where the row takes all to be as full as the last, which has the logits (so it is shorter),
 * and that a rank waits while a message is handed over (so it is longer by up to a few sends a
 * stage). `ranks`: as in `simulate`. Throws BAD_OPTION for a spec of parameters alone, and a row of
 * another spec.
 */
export function simulateRow(
  spec: TransformerSpec,
  row: SpecRow,
  {ranks}: {ranks?: readonly number[]} = {},
): Simulation {
  const checked = readSpec(spec);
  const {sizes} = checked;
  if (!sizes)
    refuse(
      "the spec has its model's parameters alone, from which no time follows: give layers, hidden, heads, vocab and sequence.",
    );
  const choice = choiceOf(checked, row);
  const {data, tensor, pipeline, stagesPerRank, schedule} = choice;
  return simulate({
    mesh: {data, tensor, pipeline},
    schedule,
    microBatches: row.microBatches,
    costs: costsOf(checked, sizes, choice, row.microBatches),
    ...(schedule === 'interleaved-1f1b' ? {stagesPerRank} : {}),
    ...(ranks ? {ranks} : {}),
  });
}
