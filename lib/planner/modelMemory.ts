/**
 * Either side. The memory of the fullest device of a choice for a model, by what it is for: the account of one device, divided as the strategies divide it.
 */
import type * as tf from '@tensorflow/tfjs';
import {optimizerSizes, type OptimizerSizes} from '../account/optimizerSizes';
import {probeModel, type Probed} from '../account/probe';
import {simulate, sizesAt} from '../account/simulate';
import {plainSgd} from '../dataParallel/dividedUpdate';
import {variablesOf} from '../model/weights';
import {checkSchedule} from '../pipelineParallel/checkSchedule';
import type {LayerCall} from '../step/graph';
import {segmentsOf} from '../step/segments';
import {shardedOf} from '../tensorParallel/layout';
import {cutOf, partFor} from '../tensorParallel/rules';
import type {ModelChoice} from './modelCost';

/** Bytes of the fullest device, by what they are for. */
export interface DeviceMemory {
  parameters: number;
  gradients: number;
  optimizer: number;
  /** With what a layer needs while it runs. */
  activations: number;
  /** Buffers of weights that are gathered and gradients that leave. */
  buffers: number;
  total: number;
}

const FLOAT = 4;
const sum = (values: readonly number[]) => values.reduce((all, one) => all + one, 0);

/** At the peak: bytes of activations, and the share of the gradients that is there. */
interface Walked {
  activations: number;
  gradients: number;
}

export class ModelMemory {
  private readonly probed: Probed;
  private readonly optimizer: OptimizerSizes;
  private readonly sgd: boolean;

  constructor(model: tf.LayersModel) {
    this.probed = probeModel(model);
    this.optimizer = optimizerSizes(model.optimizer);
    this.sgd = plainSgd(model.optimizer) !== null;
  }

  /** Elements of the weights of `calls` on the fullest rank of the tensor axis, block by block; trained ones, and the others. */
  private weights(calls: readonly LayerCall[], {rules, mesh: {tensor}}: ModelChoice): {trained: number; fixed: number; largestUnit: number; largest: number} {
    const trainable = new Set(this.probed.sum.entries.map(({variable}) => variable));
    const seen = new Set<tf.Variable>();
    const units = new Map<string, number>();
    const found = {trained: 0, fixed: 0, largestUnit: 0, largest: 0};
    for (const {name, layer, block} of calls) {
      const sharded = rules[name] ? shardedOf(layer, rules[name]) : null;
      const weights = (layer as unknown as {weights: Array<{originalName: string}>}).weights;
      variablesOf(layer).forEach((variable, i) => {
        if (seen.has(variable)) return;
        seen.add(variable);
        const cut = sharded && cutOf(sharded, layer, weights[i].originalName, partFor(sharded, layer, tensor - 1, tensor));
        const size = cut ? (variable.size / variable.shape[cut.axis]) * (cut.end - cut.start) : variable.size;
        if (!trainable.has(variable)) {
          found.fixed += size;
          return;
        }
        found.trained += size;
        found.largest = Math.max(found.largest, size);
        units.set(block, (units.get(block) ?? 0) + size);
      });
    }
    found.largestUnit = Math.max(0, ...units.values());
    return found;
  }

  /** Bytes that the tensor axis takes off what the layers of `calls` hold: their parts, and what stands between a column and its row. */
  private sparedByTensor(calls: readonly LayerCall[], {rules, mesh: {tensor}}: ModelChoice, samples: number): number {
    if (tensor === 1) return 0;
    const {calls: sizes} = sizesAt(this.probed, samples);
    let spared = 0;
    for (const call of calls) {
      if (!rules[call.name]) continue;
      const gives = shardedOf(call.layer, rules[call.name]).gives(3);
      const own = sizes[call.index];
      const output = gives === 'part' ? sum(own.outputs.map((lies) => ('own' in lies ? lies.own : 0))) : 0;
      spared += (1 - 1 / tensor) * (own.inside + output);
    }
    return spared;
  }

  /** A rank without a pipeline at its peak. Gradients are there from the start where there are several replicas or micro-batches, else they come as the walk goes back. */
  private walked(choice: ModelChoice, samples: number): Walked {
    const {graph, sum: own} = this.probed;
    const there = choice.mesh.data > 1 || choice.microBatches > 1;
    const {gradients, activations} = simulate(this.probed, segmentsOf(graph, choice.recompute), samples, there);
    const trained = FLOAT * sum(own.entries.map(({variable}) => variable.size));
    return {activations: Math.max(0, activations - this.sparedByTensor(graph.calls, choice, samples)), gradients: gradients / trained};
  }

  /** Activations of a stage: what its layers hold, as often as the schedule has a micro-batch alive, and what the layer at work needs. */
  private staged(calls: readonly LayerCall[], live: number, choice: ModelChoice, samples: number, ends: boolean): number {
    const {graph} = this.probed;
    const again = choice.recompute === 'stage';
    const simulated = simulate(this.probed, segmentsOf(graph, again ? 'none' : choice.recompute), samples, true);
    const held = sum(calls.map(({index}) => simulated.held[index])) - this.sparedByTensor(calls, choice, samples);
    const {calls: sizes, loss} = sizesAt(this.probed, samples);
    const working = Math.max(0, ...calls.map(({index}) => Math.max(sizes[index].forward, sizes[index].backward)), ends ? loss.extra : 0);
    const entered = sum(sizes[calls[0].index].outputs.map((lies) => ('own' in lies ? lies.own : 0)));
    return (again ? live * entered + held : live * held) + working;
  }

  /** The fullest device of a choice, over `batchSize` samples of all devices together. */
  at(choice: ModelChoice, batchSize: number): DeviceMemory {
    const {mesh, microBatches, pipeline} = choice;
    const samples = Math.ceil(batchSize / mesh.data / microBatches);
    const {graph} = this.probed;
    if (!pipeline) return this.device(graph.calls, choice, this.walked(choice, samples));
    const bounds = [0, ...pipeline.cuts.map(({at}) => at), graph.calls.length];
    const stages = bounds.slice(1).map((end, i) => graph.calls.slice(bounds[i], end));
    const {live} = checkSchedule(pipeline.schedule);
    const chunks = stages.length / mesh.pipeline;
    const all = Array.from({length: mesh.pipeline}, (_, rank) => {
      const own = stages.filter((_, stage) => stage % mesh.pipeline === rank);
      const activations = sum(own.map((calls, chunk) => this.staged(calls, live[rank] / chunks, choice, samples, rank === mesh.pipeline - 1 && chunk === own.length - 1)));
      return this.device(own.flat(), choice, {activations, gradients: 1});
    });
    return all.reduce((most, one) => (one.total > most.total ? one : most));
  }

  private device(calls: readonly LayerCall[], choice: ModelChoice, {activations, gradients}: Walked): DeviceMemory {
    const {mesh: {data}, zero} = choice;
    const {trained, fixed, largestUnit, largest} = this.weights(calls, choice);
    const share = (from: number) => (zero >= from ? 1 / data : 1);
    const state = {
      parameters: FLOAT * (trained * share(3) + fixed),
      optimizer: this.optimizer.state * trained * share(1) + this.optimizer.fixed,
      buffers: FLOAT * largestUnit * ((zero >= 2 ? 2 : 0) + (zero === 3 ? 2 : 0)),
    };
    const whole = FLOAT * trained * share(2);
    // The update has all gradients, and room of its own, when activations are gone.
    // Plain sgd's ranks update their parts of the weights in place.
    const inPlace = zero === 0 && data > 1 && this.sgd;
    const updating = inPlace ? 0 : this.optimizer.update * largest * share(1);
    const walk = {gradients: whole * gradients, activations};
    const found = {...state, ...(whole + updating > walk.gradients + walk.activations ? {gradients: whole, activations: updating} : walk)};
    return {...found, total: sum(Object.values(found))};
  }
}
