/**
 * The step time of one choice for a model: its layers' measured times along the mesh,
 * and the messages between ranks by α and β.
 */
import {sum} from '../base/statistics';
import type * as tf from '@tensorflow/tfjs';
import {plainSgd} from '../dataParallel/dividedUpdate';
import type {Mesh} from '../mesh/mesh';
import type {SplitPoint} from '../pipelineParallel/splitPoints';
import {simulateSchedule} from '../pipelineParallel/simulateSchedule';
import type {Schedule} from '../pipelineParallel/schedule';
import {stageGraphs} from '../pipelineParallel/stages';
import {placedOn, placedSize} from '../placement/placements';
import {BUCKET_BYTES} from '../run/runTraining';
import {symbolicOutput, type Graph, type LayerCall} from '../model/graph';
import {segmentsOf, type Recompute} from '../model/segments';
import {trainableWeightsOf} from '../model/tfjsInternals';
import {shardedOf, type Rules} from '../tensorParallel/layout';
import type {LinkOperation} from './commBenchmark';
import type {Machine} from './machine';
import {timesAt, type StepTimes} from './profile';

/** One way to train a model, as the run would take it. */
export interface ModelChoice {
  mesh: Mesh;
  zero: 0 | 1 | 2 | 3;
  microBatches: number;
  recompute: Recompute;
  /** Of a pipeline, with the cuts between its stages; null without one. */
  pipeline: {schedule: Schedule; cuts: SplitPoint[]} | null;
  /** Of tensor parallelism; empty without it. */
  rules: Rules;
}

/** What a step's time is made of, in seconds. */
export interface StepParts {
  /** Forward, backward and loss on the busiest device, in seconds. */
  compute: number;
  /** What the pipeline waits beyond that, in seconds. */
  bubble: number;
  /** Sums between the parts of divided layers, in seconds. */
  tensor: number;
  /** Messages between stages, in seconds. */
  pipeline: number;
  /** Gradients and weights between replicas, in seconds. */
  data: number;
  /** Seconds of the optimizer. */
  update: number;
  /**
   * Making the input, waiting for each other, and what a step takes beside all that, in seconds.
   */
  rest: number;
}

/** A step of a choice. */
export interface StepCost {
  /** Of the whole step. */
  seconds: number;
  parts: StepParts;
  /** Of the pipeline's ranks' time, the share in which they wait, from 0 to 1; 0 without one. */
  bubble: number;
  /** Bytes that each device sends in a step, on the axis where it sends most. */
  traffic: {tensor: number; pipeline: number; data: number};
}

const FLOAT = 4;
/** Elements of a call's output, a sample. */
const outputElements = (graph: Graph, call: LayerCall) =>
  symbolicOutput(graph, call)
    .shape.slice(1)
    .reduce<number>((product, length) => product * (length ?? 1), 1);

/** Elements of what enters a call, a sample; of a model's input, which has no gradient, none. */
function inputElements(graph: Graph, call: LayerCall): number {
  const maker = graph.calls.find(({outputs}) => outputs.includes(call.inputs[0]));
  return maker ? outputElements(graph, maker) : 0;
}

/** How a step of a choice is costed on one machine. */
export class ModelCost {
  private readonly trained: Set<tf.Variable>;
  private readonly elements: number;

  /** `perWeight`: seconds of the optimizer's update of a weight of no size. */
  constructor(
    private readonly model: tf.LayersModel,
    private readonly graph: Graph,
    private readonly machine: Machine,
    private readonly times: readonly StepTimes[],
    private readonly perWeight: number,
  ) {
    this.trained = new Set(trainableWeightsOf(model).map((weight) => weight.read()));
    this.elements = sum([...this.trained].map(({size}) => size));
  }

  private link(operation: LinkOperation, ranks: number, bytes: number): number {
    const own = this.machine.links.filter((link) => link.operation === operation);
    // Of a size that was not measured, the nearest.
    const {alpha, beta} = own.reduce((best, link) =>
      Math.abs(link.ranks - ranks) < Math.abs(best.ranks - ranks) ? link : best,
    );
    return alpha + bytes * beta;
  }

  private beta(operation: LinkOperation, ranks: number): number {
    return this.link(operation, ranks, 1) - this.link(operation, ranks, 0);
  }

  /**
   * The weights of `calls` that a rank trains, the fullest of the tensor axis: their elements, and
   * how many weights and blocks they are.
   */
  private parameters(
    calls: readonly LayerCall[],
    {rules, mesh: {tensor}}: ModelChoice,
  ): {elements: number; weights: number; units: number} {
    const own = [...placedOn(calls, rules, tensor - 1, tensor)].flatMap(([variable, held]) =>
      this.trained.has(variable) ? [held] : [],
    );
    return {
      elements: sum(own.map(placedSize)),
      weights: own.length,
      units: new Set(own.map(({block}) => block)).size,
    };
  }

  /**
   * Seconds of a divided layer of which a rank has its share, from those over all samples and over
   * half of them: what a call takes whatever its size stays.
   */
  private divided(whole: number, half: number, share: number): number {
    if (share === 1) return whole;
    const fixed = Math.min(whole, Math.max(0, 2 * half - whole));
    return fixed + (whole - fixed) * share;
  }

  /** Messages of a call's two halves: bytes forward, and backward. */
  private completed(
    call: LayerCall,
    {rules}: ModelChoice,
    samples: number,
  ): {forward: number; backward: number} {
    if (!rules[call.name]) return {forward: 0, backward: 0};
    const sharded = shardedOf(call.layer, rules[call.name]);
    const gives = sharded.outputPlacement(symbolicOutput(this.graph, call).shape.length);
    return {
      forward: gives === 'shard' ? 0 : FLOAT * samples * outputElements(this.graph, call),
      backward:
        sharded.inputPlacement === 'replicate'
          ? FLOAT * samples * inputElements(this.graph, call)
          : 0,
    };
  }

  /**
   * One micro-batch on a run of layers: seconds of forward and backward, and of what its divided
   * layers say.
   */
  private walk(calls: readonly LayerCall[], choice: ModelChoice, samples: number, workers: number) {
    const {
      mesh: {tensor},
      rules,
      recompute,
    } = choice;
    const again = new Set(
      recompute === 'stage'
        ? calls
        : segmentsOf(this.graph, recompute)
            .filter((segment) => segment.recompute)
            .flatMap((segment) => segment.calls),
    );
    const [whole, half] = [samples, samples / 2].map((count) =>
      timesAt(this.times, count, workers),
    );
    const seconds = ({index}: LayerCall, kind: 'forward' | 'backward', share: number) =>
      this.divided(whole[kind][index], half[kind][index], share);
    const found = {forward: 0, backward: 0, forwardSent: 0, backwardSent: 0, sums: 0, bytes: 0};
    const said = (bytes: number) => {
      if (bytes === 0) return 0;
      found.sums += 1;
      return this.link('sumTensor', tensor, bytes);
    };
    for (const call of calls) {
      const share = rules[call.name] ? 1 / tensor : 1;
      const forward = seconds(call, 'forward', share);
      const bytes = this.completed(call, choice, samples);
      found.forward += forward;
      found.backward += seconds(call, 'backward', share) + (again.has(call) ? forward : 0);
      found.forwardSent += said(bytes.forward);
      found.backwardSent += said(bytes.backward) + (again.has(call) ? said(bytes.forward) : 0);
      found.bytes += bytes.forward * (again.has(call) ? 2 : 1) + bytes.backward;
    }
    return found;
  }

  /**
   * Seconds of the update of so many elements in so many weights, of which `update` takes the model
   * whole.
   */
  private updateOf(elements: number, weights: number, update: number): number {
    const fixed = Math.min(update, this.perWeight * this.trained.size);
    return (fixed * weights) / this.trained.size + ((update - fixed) * elements) / this.elements;
  }

  /**
   * The gradients' way over the data axis and the update after it, for the weights of `calls` on a
   * rank.
   */
  private dataAxis(
    calls: readonly LayerCall[],
    choice: ModelChoice,
    update: number,
  ): {seconds: number; update: number; bytes: number} {
    const {
      mesh: {data},
      zero,
      microBatches: m,
    } = choice;
    const {elements, weights, units} = this.parameters(calls, choice);
    const bytes = FLOAT * elements;
    const once = (data - 1) / data;
    if (data === 1 || weights === 0)
      return {seconds: 0, update: this.updateOf(elements, weights, update), bytes: 0};
    const sgd = plainSgd(this.model.optimizer) !== null;
    const order = this.link('dispatch', data, 0);
    const of = (operation: LinkOperation, count: number) =>
      count * this.beta(operation, data) * bytes;
    const direct = (operation: LinkOperation, times: number) =>
      times * this.link(operation, data, 0);
    const read = weights * this.link('read', data, 0) + of('read', 1);
    if (zero === 0) {
      const buckets = Math.max(1, Math.ceil(bytes / BUCKET_BYTES));
      const reduced = sgd
        ? of('reduceScatter', 1) + of('allGather', 1) + direct('allGather', buckets)
        : of('allReduce', 1);
      return {
        seconds: read + (buckets - 1) * order + reduced,
        update: sgd
          ? (FLOAT * elements * this.beta('read', data)) / data
          : this.updateOf(elements, weights, update),
        bytes: 2 * once * bytes,
      };
    }
    const scatters = zero === 1 ? 1 : m;
    const gathers = zero === 3 ? 2 * m : 0;
    const whole = zero === 3 ? 0 : of('allGather', 1) + direct('allGather', units);
    return {
      seconds:
        m * read +
        scatters * (units * order + of('reduceScatter', 1)) +
        gathers * (units * order + of('allGather', 1)) +
        whole,
      // The new weights are copied to where the others find them.
      update: this.updateOf(elements / data, units, update) + of('read', 1) / data,
      bytes: (scatters + Math.max(1, gathers)) * once * bytes,
    };
  }

  /** The cost of a step over `batchSize` samples of all devices together. */
  at(choice: ModelChoice, batchSize: number): StepCost {
    const {mesh, microBatches: m, pipeline} = choice;
    const measured = Math.max(...this.times.map(({workers}) => workers));
    const workers = mesh.size === 1 ? 1 : Math.min(mesh.size, measured);
    const samples = Math.ceil(batchSize / mesh.data / m);
    const times = timesAt(this.times, samples, workers);
    // Ranks take turns where there are more than cores, and whatever ends in a wait for each other
    // lasts as long as its slowest rank.
    const turns = this.machine.cores > 0 ? Math.max(1, mesh.size / this.machine.cores) : 1;
    const late = mesh.size > 1 ? Math.max(0, times.slowest - 1) : 0;
    const slices = turns * (1 + late);
    const whole = timesAt(this.times, Math.ceil(batchSize / mesh.data), workers);
    const rest = m * times.input + whole.rest;
    const meeting = mesh.size > 1 ? this.link('barrier', mesh.size, 0) : 0;
    const parts: StepParts = {
      compute: 0,
      bubble: 0,
      tensor: 0,
      pipeline: 0,
      data: 0,
      update: 0,
      rest: (rest + meeting) * slices,
    };
    const traffic = {tensor: 0, pipeline: 0, data: 0};
    let bubble = 0;
    if (!pipeline) {
      const one = this.walk(this.graph.calls, choice, samples, workers);
      const data = this.dataAxis(this.graph.calls, choice, times.update);
      // Of n waits in a micro-batch each has an nth of its time before it, which varies √n times as
      // much, measured by its length.
      const between = turns * (1 + late * Math.sqrt(one.sums + 1));
      parts.compute = m * (one.forward + one.backward + times.loss) * between;
      parts.tensor = m * (one.forwardSent + one.backwardSent) * slices;
      Object.assign(parts, {data: data.seconds * slices, update: data.update * slices});
      Object.assign(traffic, {
        tensor: (m * one.bytes * 2 * (mesh.tensor - 1)) / mesh.tensor,
        data: data.bytes,
      });
    } else
      bubble = this.pipelined(
        {...choice, pipeline},
        samples,
        times,
        {turns, late},
        workers,
        parts,
        traffic,
      );
    return {seconds: sum(Object.values(parts)), parts, bubble, traffic};
  }

  /** Fills the parts and the traffic of a pipeline; returns its bubble. */
  private pipelined(
    choice: ModelChoice & {pipeline: NonNullable<ModelChoice['pipeline']>},
    samples: number,
    times: StepTimes,
    {turns, late}: {turns: number; late: number},
    workers: number,
    parts: StepParts,
    traffic: StepCost['traffic'],
  ): number {
    const {
      mesh,
      microBatches: m,
      pipeline: {schedule, cuts},
    } = choice;
    const slices = turns * (1 + late);
    const stages = stageGraphs(this.graph, cuts).map((stage) => stage.graph.calls);
    const walked = stages.map((calls) => this.walk(calls, choice, samples, workers));
    const sent = cuts.map(
      ({shape}) => FLOAT * samples * shape.reduce((product, length) => product * length, 1),
    );
    // Who sends reads the tensor, who receives makes one: half each.
    const half = (at: number) =>
      at < 0 || at >= sent.length ? 0 : this.link('send', 2, sent[at]) / 2;
    const last = stages.length - 1;
    const stageOf = (rank: number, localStage: number) => localStage * mesh.pipeline + rank;
    const costs = stages.map((_, stage) => {
      const {forward, backward, forwardSent, backwardSent} = walked[stage];
      const link = half(stage - 1) + half(stage);
      return {
        forward: forward + forwardSent + link + (stage === last ? times.loss : 0),
        backward: backward + backwardSent + link,
      };
    });
    const {total, bubble, played} = simulateSchedule(schedule, ({do: kind, localStage}, rank) => {
      const {forward, backward} = costs[stageOf(rank, localStage)];
      return kind === 'forward' ? forward : kind === 'backward' ? backward : backward / 2;
    });
    const busy = Array.from({length: mesh.pipeline}, (_, rank) =>
      sum(played.filter((one) => one.rank === rank).map(({start, end}) => end - start)),
    );
    // Where ranks stand in line for cores, the work of all of them bounds the step.
    const bound =
      this.machine.cores > 0 && mesh.size > this.machine.cores
        ? Math.max(total, (sum(busy) * mesh.size) / mesh.pipeline / this.machine.cores)
        : total;
    const seconds = bound * (1 + late);
    const rankCalls = Array.from({length: mesh.pipeline}, (_, rank) =>
      stages.filter((_, stage) => stage % mesh.pipeline === rank).flat(),
    );
    const data = rankCalls.map((calls) => this.dataAxis(calls, choice, times.update));
    const slowest = Math.max(...data.map(({seconds: own, update}) => own + update));
    const at = data.findIndex(({seconds: own, update}) => own + update === slowest);
    parts.pipeline = m * Math.max(...stages.map((_, stage) => 2 * (half(stage - 1) + half(stage))));
    parts.tensor =
      m *
      Math.max(...walked.map(({forwardSent, backwardSent}) => forwardSent + backwardSent)) *
      slices;
    parts.compute =
      Math.max(...busy) -
      m * Math.max(...walked.map(({forwardSent, backwardSent}) => forwardSent + backwardSent)) -
      parts.pipeline;
    parts.bubble = Math.max(0, seconds - parts.compute - parts.pipeline - parts.tensor);
    Object.assign(parts, {data: data[at].seconds * slices, update: data[at].update * slices});
    const tensorBytes = rankCalls.map(
      (_, rank) =>
        m *
        sum(walked.filter((_, stage) => stage % mesh.pipeline === rank).map(({bytes}) => bytes)),
    );
    Object.assign(traffic, {
      tensor: (Math.max(...tensorBytes) * 2 * (mesh.tensor - 1)) / mesh.tensor,
      pipeline:
        m *
        Math.max(
          ...Array.from({length: mesh.pipeline}, (_, rank) =>
            sum(
              stages.flatMap((_, stage) =>
                stage % mesh.pipeline === rank
                  ? [(sent[stage] ?? 0) + (stage > 0 ? sent[stage - 1] : 0)]
                  : [],
              ),
            ),
          ),
        ),
      data: Math.max(...data.map(({bytes}) => bytes)),
    });
    return bubble;
  }
}
