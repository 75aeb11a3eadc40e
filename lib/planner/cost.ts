/**
 * The step time of a choice for a model: the measured times of its layers, and messages between
 * ranks by α and β.
 */
import {sum} from '../base/statistics';
import type * as tf from '@tensorflow/tfjs';
import type {Graph, LayerCall} from '../model/graph';
import {stageGraphs} from '../pipelineParallel/stages';
import {DataAxisCosts} from './dataAxisCost';
import {layerCosts, type LayerCosts, type Measurements} from './layerCosts';
import {LinkTimes} from './linkTimes';
import type {Machine} from './machine';
import type {ModelChoice} from './modelChoice';
import {pipelineCost, type Contention} from './pipelineCost';
import type {StepCost, StepParts} from './stepCost';
import {timesAt, type StepTimes} from './stepTimes';

type CostWithoutRest = Omit<StepCost, 'seconds' | 'parts'> & {parts: Omit<StepParts, 'rest'>};

/** Computes the cost of a step of any choice for one model on one machine. */
export class ModelCost {
  private readonly links: LinkTimes;
  private readonly dataAxis: DataAxisCosts;

  /** `perWeight`: seconds of the optimizer's update of a tiny weight. */
  constructor(
    model: tf.LayersModel,
    private readonly graph: Graph,
    private readonly machine: Machine,
    private readonly times: readonly StepTimes[],
    perWeight: number,
  ) {
    this.links = new LinkTimes(machine);
    this.dataAxis = new DataAxisCosts(model, this.links, perWeight);
  }

  private layers(
    calls: readonly LayerCall[],
    choice: ModelChoice,
    samples: number,
    workers: number,
  ): LayerCosts {
    const measurements: Measurements = {times: this.times, links: this.links};
    return layerCosts(this.graph, calls, choice, measurements, samples, workers);
  }

  /** The cost of a step over `batchSize` samples of all devices together. */
  at(choice: ModelChoice, batchSize: number): StepCost {
    const {mesh, microBatches} = choice;
    const workers = this.measuredWorkers(mesh.size);
    const samples = Math.ceil(batchSize / mesh.data / microBatches);
    const times = timesAt(this.times, samples, workers);
    const contention = this.contention(choice, times);
    const {parts, bubble, traffic} = choice.pipeline
      ? this.withPipeline(choice, samples, times, workers, contention)
      : this.withoutPipeline(choice, samples, times, workers, contention);

    const replica = timesAt(this.times, Math.ceil(batchSize / mesh.data), workers);
    const barrier = mesh.size > 1 ? this.links.latency('barrier', mesh.size) : 0;
    const rest =
      (microBatches * times.input + replica.rest + barrier) *
      contention.ranksPerCore *
      (1 + contention.lateness);
    const allParts = {...parts, rest};
    return {seconds: sum(Object.values(allParts)), parts: allParts, bubble, traffic};
  }

  /** The least measured number of workers that is `ranks` or more, else the largest. */
  private measuredWorkers(ranks: number): number {
    const measured = this.times.map(({workers}) => workers);
    const enough = measured.filter((workers) => workers >= ranks);
    return enough.length > 0 ? Math.min(...enough) : Math.max(...measured);
  }

  /**
   * Ranks take turns where there are more of them than cores, and every wait for the others lasts
   * as long as the slowest rank.
   */
  private contention({mesh}: ModelChoice, times: StepTimes): Contention {
    const {cores} = this.machine;
    return {
      ranksPerCore: cores > 0 ? Math.max(1, mesh.size / cores) : 1,
      lateness: mesh.size > 1 ? Math.max(0, times.slowest - 1) : 0,
    };
  }

  private withoutPipeline(
    choice: ModelChoice,
    samples: number,
    times: StepTimes,
    workers: number,
    {ranksPerCore, lateness}: Contention,
  ): CostWithoutRest {
    const {mesh, microBatches} = choice;
    const layers = this.layers(this.graph.calls, choice, samples, workers);
    const data = this.dataAxis.at(this.graph.calls, choice, times.update);
    // With n waits in a micro-batch, each follows an nth of its time; relative to its length, that
    // piece varies √n times as much.
    const computeSlowdown = ranksPerCore * (1 + lateness * Math.sqrt(layers.collectives + 1));
    const slowdown = ranksPerCore * (1 + lateness);
    return {
      parts: {
        compute: microBatches * (layers.forward + layers.backward + times.loss) * computeSlowdown,
        bubble: 0,
        tensor: microBatches * (layers.forwardComm + layers.backwardComm) * slowdown,
        pipeline: 0,
        data: data.seconds * slowdown,
        update: data.update * slowdown,
      },
      bubble: 0,
      traffic: {
        tensor: (microBatches * layers.bytes * 2 * (mesh.tensor - 1)) / mesh.tensor,
        pipeline: 0,
        data: data.bytes,
      },
    };
  }

  private withPipeline(
    choice: ModelChoice,
    samples: number,
    times: StepTimes,
    workers: number,
    contention: Contention,
  ): CostWithoutRest {
    const pipeline = choice.pipeline!;
    const stages = stageGraphs(this.graph, pipeline.splitPoints).map((stage) => stage.graph.calls);
    return pipelineCost({
      choice: {...choice, pipeline},
      stages,
      costs: stages.map((calls) => this.layers(calls, choice, samples, workers)),
      samples,
      loss: times.loss,
      dataAxis: (calls) => this.dataAxis.at(calls, choice, times.update),
      links: this.links,
      cores: this.machine.cores,
      contention,
    });
  }
}
