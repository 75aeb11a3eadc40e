/**
 * A model's probed sizes as they are over several ranks, where batch norm works across ranks.
 */
import {sum} from '../base/statistics';
import {GlobalBatchNorm} from '../dataParallel/batchNorm';
import type {CallSizes, Probed} from '../memoryEstimate/probe';

/** Bytes of activations in buffers of their own; a view of another tensor counts nothing. */
export const outputBytes = ({outputs}: CallSizes) =>
  sum(outputs.map((output) => ('bytes' in output ? output.bytes : 0)));

/**
 * A probe with batch norm as it runs over several ranks: it keeps one tensor of its output's size, and
 * makes four in its forward and five in its backward.
 */
export function acrossRanks({graph, ...probes}: Probed, samples: 'two' | 'three'): Probed['two'] {
  const calls = probes[samples].calls.map((sizes, i): CallSizes => {
    if (!GlobalBatchNorm.is(graph.calls[i])) return sizes;
    const output = outputBytes(sizes);
    return {
      ...sizes,
      inside: output,
      keepsInputs: sizes.keepsInputs.map(() => false),
      keepsOutputs: sizes.keepsOutputs.map(() => false),
      forward: 4 * output,
      backward: 5 * output,
    };
  });
  return {...probes[samples], calls};
}
