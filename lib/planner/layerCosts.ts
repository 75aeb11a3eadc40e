/**
 * The cost of a micro-batch on a list of layer calls: measured seconds of its forward and backward
 * passes, and the collectives of its sharded layers.
 */
import {outputShape, type Graph, type LayerCall} from '../model/graph';
import {segmentsOf} from '../model/segments';
import {shardedOf} from '../tensorParallel/layout';
import type {LinkTimes} from './linkTimes';
import type {ModelChoice} from './modelChoice';
import {timesAt, type StepTimes} from './stepTimes';

const FLOAT_BYTES = 4;

/** What was measured on the machine: steps of the model, and operations between ranks. */
export interface Measurements {
  times: readonly StepTimes[];
  links: LinkTimes;
}

/** The cost of one micro-batch on a list of layer calls. */
export interface LayerCosts {
  /** Seconds of the forward pass, without the tensor axis's collectives. */
  forward: number;
  /** Seconds of the backward pass, with recomputation, likewise. */
  backward: number;
  /** Seconds of the tensor axis's collectives in the forward pass. */
  forwardComm: number;
  /** Seconds of the tensor axis's collectives in the backward pass. */
  backwardComm: number;
  /** How many collectives there are. */
  collectives: number;
  /** Bytes of the tensors that they sum. */
  bytes: number;
}

/** Elements of a call's output per sample. */
function outputElements(call: LayerCall): number {
  return outputShape(call)
    .slice(1)
    .reduce<number>((product, length) => product * (length ?? 1), 1);
}

/** Elements per sample of a call's input; 0 for a model's input, which has no gradient. */
function inputElements(graph: Graph, call: LayerCall): number {
  const producer = graph.calls.find(({outputs}) => outputs.includes(call.inputs[0]));
  return producer ? outputElements(producer) : 0;
}

/** Bytes of the tensors that a sharded call sums over the tensor axis in each direction. */
function summedBytes(
  graph: Graph,
  call: LayerCall,
  {rules}: ModelChoice,
  samples: number,
): {forward: number; backward: number} {
  if (!rules[call.name]) return {forward: 0, backward: 0};
  const sharded = shardedOf(call.layer, rules[call.name]);
  const output = sharded.outputPlacement(outputShape(call).length);
  const sampleBytes = FLOAT_BYTES * samples;
  return {
    forward: output === 'shard' ? 0 : sampleBytes * outputElements(call),
    backward: sharded.inputPlacement === 'replicate' ? sampleBytes * inputElements(graph, call) : 0,
  };
}

/**
 * Seconds of a sharded layer that has `share` of its work on each rank. `full` and `half` are the
 * seconds over all samples and over half of them; they tell how much of a call does not depend on
 * its size.
 */
function shardSeconds(full: number, half: number, share: number): number {
  if (share === 1) return full;
  const fixed = Math.min(full, Math.max(0, 2 * half - full));
  return fixed + (full - fixed) * share;
}

/** The calls whose forward runs again in the backward pass. */
function recomputedCalls(
  graph: Graph,
  calls: readonly LayerCall[],
  {recompute}: ModelChoice,
): Set<LayerCall> {
  if (recompute === 'stage') return new Set(calls);
  const segments = segmentsOf(graph, recompute).filter((segment) => segment.recompute);
  return new Set(segments.flatMap((segment) => segment.calls));
}

/** The cost of one micro-batch of `samples` samples on `calls`, while `workers` workers compute. */
export function layerCosts(
  graph: Graph,
  calls: readonly LayerCall[],
  choice: ModelChoice,
  {times, links}: Measurements,
  samples: number,
  workers: number,
): LayerCosts {
  const {tensor} = choice.mesh;
  const recomputed = recomputedCalls(graph, calls, choice);
  const full = timesAt(times, samples, workers);
  const half = timesAt(times, samples / 2, workers);
  const costs: LayerCosts = {
    forward: 0,
    backward: 0,
    forwardComm: 0,
    backwardComm: 0,
    collectives: 0,
    bytes: 0,
  };
  const collective = (bytes: number) => {
    if (bytes === 0) return 0;
    costs.collectives += 1;
    return links.seconds('sumTensor', tensor, bytes);
  };
  for (const call of calls) {
    const {index} = call;
    const share = choice.rules[call.name] ? 1 / tensor : 1;
    const forward = shardSeconds(full.forward[index], half.forward[index], share);
    const backward = shardSeconds(full.backward[index], half.backward[index], share);
    const bytes = summedBytes(graph, call, choice, samples);
    const recomputes = recomputed.has(call);
    costs.forward += forward;
    costs.backward += backward + (recomputes ? forward : 0);
    costs.forwardComm += collective(bytes.forward);
    costs.backwardComm += collective(bytes.backward) + (recomputes ? collective(bytes.forward) : 0);
    costs.bytes += bytes.forward * (recomputes ? 2 : 1) + bytes.backward;
  }
  return costs;
}
