/**
 * One rank's process groups, its strategy, and its traffic counters.
 */
import type * as tf from '@tensorflow/tfjs';
import {createCommunicator} from '../collectives/communicator';
import {createInProcessGroup} from '../collectives/inProcess';
import {mergeLines} from '../collectives/ledger';
import {joinSharedGroup} from '../collectives/sharedMemory';
import type {Communicator, LedgerLine} from '../collectives/types';
import {ManyHandsError} from '../base/errors';
import {MeshStrategy, type AxisStrategies} from './meshStrategy';
import {InlineCommStream, type CommReport, type CommStream} from '../dataParallel/commStream';
import type {CommWork} from '../dataParallel/commWork';
import {DataParallel, type OpenCommStream} from '../dataParallel/dataParallel';
import {ThreadCommStream} from '../dataParallel/threadCommStream';
import {AXES_INSIDE_OUT, Mesh, type Axis} from '../mesh/mesh';
import {PipelineParallel} from '../pipelineParallel/pipelineParallel';
import type {RankStrategy} from '../step/strategy';
import {TensorParallel} from '../tensorParallel/tensorParallel';
import type {SpanRecorder} from '../trace/spans';
import {machineMs} from '../trace/threadTime';
import {noteRegion, withRegion} from '../workers/sharedRegion';
import {Zero} from '../zero/zero';
import {COMM_STREAMS, type ParallelContext, type TrainJob} from '../job/protocol';

/**
 * Opens stream number `which` of a strategy. Each stream has its own group, in which the ranks
 * agree on the order of operations.
 */
type MakeCommStream = (work: CommWork, which: number, traced: boolean) => CommStream;

/** A rank's communicators: one for all ranks, and one for each axis with more than one rank. */
export interface RankComms {
  world: Communicator;
  axes: Partial<Record<Axis, Communicator>>;
}

export class RankContext {
  private strategyOf: RankStrategy | null = null;
  private readonly commStreams: CommStream[] = [];
  private readonly mesh: Mesh;

  /**
   * `channelTo` returns the memory through which this rank sends to another rank of its pipeline.
   */
  constructor(
    private readonly comms: RankComms,
    private readonly parallel: ParallelContext,
    private readonly makeCommStream: MakeCommStream,
    private readonly channelTo: (peer: number) => Uint8Array | null = () => null,
  ) {
    this.mesh = new Mesh(parallel.mesh);
  }

  private get world(): Communicator {
    return this.comms.world;
  }

  /**
   * This rank's position among the ranks that divide a batch. Ranks that differ only on other axes
   * see the same samples.
   */
  get dataAxis(): {rank: number; size: number} {
    return {rank: this.mesh.coordinatesOf(this.world.rank).data, size: this.mesh.data};
  }

  /** Creates this rank's strategy for the job; `recorder` is null if nothing is traced. */
  strategy(job: TrainJob, model: tf.LayersModel, recorder: SpanRecorder | null): RankStrategy {
    const open: OpenCommStream = (work, which = 0) => {
      const stream = this.makeCommStream(work, which, recorder !== null);
      this.commStreams.push(stream);
      return stream;
    };
    const {
      comms: {axes},
      parallel: {zero, pipeline, tensor, bucketBytes},
    } = this;
    const {optimizer} = model;
    const data =
      axes.data &&
      (zero > 0
        ? new Zero(axes.data, open, recorder, zero as 1 | 2 | 3, optimizer)
        : new DataParallel(axes.data, open, bucketBytes, recorder, {
            optimizer,
            globalClipNorm: job.options.globalClipNorm,
          }));
    const strategies: AxisStrategies = {
      data: data ?? null,
      tensor:
        axes.tensor && tensor
          ? new TensorParallel(axes.tensor, recorder, model, tensor, zero > 0)
          : null,
      pipeline:
        axes.pipeline && pipeline
          ? new PipelineParallel(axes.pipeline, recorder, model, pipeline, this.channelTo)
          : null,
    };
    return (this.strategyOf = new MeshStrategy(this.world, recorder, {
      mesh: this.mesh,
      axes: strategies,
      model,
      description: job.model,
      dividesGradients: zero > 0 || pipeline !== null || tensor !== null,
      withSource: (use) => withRegion(job.weights, use),
    }));
  }

  /**
   * Call this before the first step: it sets the origin of all ranks' traces to the same moment.
   */
  async begin(recorder: SpanRecorder): Promise<void> {
    await this.world.barrier({label: 'start'});
    const origin = new Float64Array([machineMs()]);
    await this.world.broadcast(new Int32Array(origin.buffer), {root: 0, label: 'clock'});
    recorder.restart(origin[0]);
  }

  /** Closes the streams and records their spans. Returns what this rank sent and received. */
  async finish(recorder: SpanRecorder): Promise<LedgerLine[]> {
    const reports: CommReport[] = [];
    for (const stream of this.commStreams) reports.push(await stream.finish());
    for (const {name, step, startMs, wallSeconds, cpuSeconds} of reports.flatMap(
      ({spans}) => spans,
    )) {
      recorder.add({kind: 'communication', name, step, startMs, wallSeconds, cpuSeconds});
    }
    // No rank leaves while another rank still reads its memory.
    await this.world.barrier({label: 'end'});
    const comms = new Set([this.world, ...Object.values(this.comms.axes)]);
    return mergeLines(
      [...[...comms].flatMap((comm) => comm.ledger()), ...reports.flatMap(({ledger}) => ledger)],
      this.world.rank,
    );
  }

  async close(): Promise<void> {
    // After a failure, a stream's thread may wait for ranks that never arrive.
    await Promise.all(this.commStreams.map((stream) => stream.abort()));
    this.strategyOf?.dispose();
    for (const comm of new Set([...Object.values(this.comms.axes), this.world])) comm.close();
  }
}

/**
 * The line of ranks along an axis that contains `rank`, the index of the line among all lines, and
 * the rank's position in it.
 */
function lineOf(
  mesh: Mesh,
  axis: Axis,
  rank: number,
): {ranks: number[]; line: number; position: number} {
  const ranks = mesh.groupOf(axis, rank);
  return {
    ranks,
    line: mesh.groups(axis).findIndex(([first]) => first === ranks[0]),
    position: ranks.indexOf(rank),
  };
}

const dividedAxes = (mesh: Mesh) => AXES_INSIDE_OUT.filter((axis) => mesh[axis] > 1);

/** Joins the process groups of a run as `rank`. Throws INTERNAL for a run in one process. */
export function initProcessGroups(rank: number, parallel: ParallelContext): RankContext {
  const {groups} = parallel;
  if (!groups)
    throw new ManyHandsError(
      'INTERNAL',
      'internal: in-process ranks were started as separate jobs.',
    );
  const mesh = new Mesh(parallel.mesh);
  const world = joinSharedGroup(groups.world, rank);
  const comms: RankComms = {world: createCommunicator(world), axes: {}};
  let channels = world;
  for (const axis of dividedAxes(mesh)) {
    const {ranks, line, position} = lineOf(mesh, axis, rank);
    const handle = groups.axes[axis]?.[line];
    if (!handle) {
      comms.axes[axis] = comms.world;
      continue;
    }
    const transport = joinSharedGroup(handle, position, ranks);
    if (axis === 'pipeline') channels = transport;
    comms.axes[axis] = createCommunicator(transport);
  }
  const data = lineOf(mesh, 'data', rank);
  const streamGroups = groups.commStreams[data.line] ?? [];
  for (const {region} of streamGroups) noteRegion(region);
  return new RankContext(
    comms,
    parallel,
    (work, which, traced) =>
      new ThreadCommStream(streamGroups[which], data.position, data.ranks, work, traced),
    (peer) => channels.channelTo(peer),
  );
}

/**
 * Returns the contexts, by rank, of a run in this process; `abort` ends all waits with an error.
 */
export function initInProcessGroups(
  parallel: ParallelContext,
  timeoutMs: number,
): {ranks: RankContext[]; abort(reason: string): void} {
  const mesh = new Mesh(parallel.mesh);
  const opened: Array<{abort(reason: string): void}> = [];
  const open = (ranks: number[]) => {
    const group = createInProcessGroup(ranks.length, {timeoutMs, worldRanks: ranks});
    opened.push(group[0]);
    return group;
  };
  const world = open(Array.from({length: mesh.size}, (_, rank) => rank)).map((transport) =>
    createCommunicator(transport),
  );
  const axes = dividedAxes(mesh).map((axis) => ({
    axis,
    lines:
      mesh[axis] === mesh.size
        ? null
        : mesh
            .groups(axis)
            .map((ranks) => open(ranks).map((transport) => createCommunicator(transport))),
  }));
  const streamGroups = mesh
    .groups('data')
    .map((ranks) => Array.from({length: COMM_STREAMS}, () => open(ranks)));
  const ranks = world.map((comm, rank) => {
    const comms: RankComms = {world: comm, axes: {}};
    for (const {axis, lines} of axes) {
      const {line, position} = lineOf(mesh, axis, rank);
      comms.axes[axis] = lines ? lines[line][position] : comm;
    }
    const {line, position} = lineOf(mesh, 'data', rank);
    return new RankContext(
      comms,
      parallel,
      (work, which) =>
        new InlineCommStream(createCommunicator(streamGroups[line][which][position]), work),
    );
  });
  return {ranks, abort: (reason) => opened.forEach((group) => group.abort(reason))};
}
