/**
 * Worker side. A rank's part in a team: its end of the groups, the strategy on it, and what all of it sent.
 */
import type * as tf from '@tensorflow/tfjs';
import {createCommunicator} from '../collectives/communicator';
import {createInProcessGroup} from '../collectives/inProcess';
import {joinSharedGroup} from '../collectives/sharedMemory';
import type {Communicator, LedgerLine} from '../collectives/types';
import {ManyHandsError} from '../base/errors';
import {DirectLane, ThreadLane, type Lane, type LaneReport} from '../dataParallel/lane';
import type {LaneWork} from '../dataParallel/laneWork';
import {DataParallel, type OpenLane} from '../dataParallel/dataParallel';
import {PipelineParallel} from '../pipelineParallel/pipelineParallel';
import type {RankStrategy} from '../step/strategy';
import type {Stepper} from '../step/trainStep';
import {TensorParallel} from '../tensorParallel/tensorParallel';
import type {SpanRecorder} from '../trace/spans';
import {machineMs} from '../trace/threadTime';
import {noteRegion, withRegion} from '../workers/sharedRegion';
import {Zero} from '../zero/zero';
import type {Team, TrainJob} from './jobTypes';

/** `which`: a strategy's lanes by number; each has a group of its own, in which the ranks agree on their order. */
type MakeLane = (work: LaneWork, which: number) => Lane;

export class Teammate {
  private strategyOf: RankStrategy | null = null;
  private readonly lanes: Lane[] = [];
  private reports: LaneReport[] | null = null;

  constructor(private readonly comm: Communicator, private readonly team: Team, private readonly makeLane: MakeLane, private readonly channelTo: (peer: number) => Uint8Array | null = () => null) {}

  /** This rank's place among those that share out a batch: where the model is divided every rank sees all of it. */
  get dataAxis(): {rank: number; size: number} {
    const {rank, size} = this.comm;
    return this.team.pipeline || this.team.tensor ? {rank: 0, size: 1} : {rank, size};
  }

  /** The job's strategy on this rank; `recorder` is null where nothing is traced. */
  strategy(job: TrainJob, model: tf.LayersModel, recorder: SpanRecorder | null): RankStrategy {
    const open: OpenLane = (work, which = 0) => {
      const lane = this.makeLane(work, which);
      this.lanes.push(lane);
      return lane;
    };
    const {comm, team: {zero, pipeline, tensor, bucketBytes}} = this;
    const divided = {model, description: job.model, withSource: (use: (source: ArrayBuffer | null) => Promise<void>) => withRegion(job.weights, use)};
    const make = (): RankStrategy => {
      if (pipeline) return new PipelineParallel(comm, recorder, {plan: pipeline, channelTo: this.channelTo, ...divided});
      if (tensor) return new TensorParallel(comm, recorder, {...tensor, ...divided});
      if (zero > 0) return new Zero(comm, open, recorder, {stage: zero as 1 | 2 | 3, ...divided});
      return new DataParallel(comm, open, bucketBytes, recorder, {optimizer: model.optimizer, clipNorm: job.options.clipNorm});
    };
    return (this.strategyOf = make());
  }

  /** Rank 0's bytes reach every rank's `buffer`. */
  async broadcast(buffer: ArrayBuffer): Promise<void> {
    await this.comm.broadcast(new Int32Array(buffer), {root: 0, label: 'initial weights'});
  }

  /** Before the first step: the ranks start their clocks together. */
  async begin(stepper: Stepper, recorder: SpanRecorder): Promise<void> {
    await this.strategyOf!.open(stepper);
    await this.comm.barrier({label: 'start'});
    const origin = new Float64Array([machineMs()]);
    await this.comm.broadcast(new Int32Array(origin.buffer), {root: 0, label: 'clock'});
    recorder.restart(origin[0]);
  }

  /** Ends the lanes; their spans join the recorder's. Returns what this rank sent and received. */
  async finish(recorder: SpanRecorder): Promise<LedgerLine[]> {
    this.reports = [];
    for (const lane of this.lanes) this.reports.push(await lane.finish());
    for (const {name, step, startMs, wallSeconds, cpuSeconds} of this.reports.flatMap(({spans}) => spans)) {
      recorder.add({kind: 'communication', name, step, startMs, wallSeconds, cpuSeconds});
    }
    // Nobody leaves while another still reads its memory.
    await this.comm.barrier({label: 'end'});
    return [...this.comm.ledger(), ...this.reports.flatMap(({ledger}) => ledger)];
  }

  async close(): Promise<void> {
    // Their threads may wait for ranks that will not come.
    if (!this.reports) await Promise.all(this.lanes.map((lane) => lane.abandon()));
    this.strategyOf?.dispose();
    this.comm.close();
  }
}

/** Joins the groups of a team of processes as `rank`. */
export function joinTeam(rank: number, team: Team): Teammate {
  const {groups} = team;
  if (!groups) throw new ManyHandsError('INTERNAL', 'internal: ranks of one process were given jobs of their own.');
  for (const {region} of groups.lanes) noteRegion(region);
  const transport = joinSharedGroup(groups.main, rank);
  return new Teammate(createCommunicator(transport), team, (work, which) => new ThreadLane(groups.lanes[which], rank, work), (peer) => transport.channelTo(peer));
}

/** How many lanes a strategy may open. */
export const LANES = 2;

/** A team whose ranks all live in this process, by rank; `abort` frees those that wait. */
export function teamOfOneProcess(team: Team, timeoutMs: number): {mates: Teammate[]; abort(reason: string): void} {
  const {size} = team;
  const main = createInProcessGroup(size, {timeoutMs});
  const lanes = Array.from({length: LANES}, () => createInProcessGroup(size, {timeoutMs}));
  return {
    mates: main.map((transport, rank) => new Teammate(createCommunicator(transport), team, (work, which) => new DirectLane(createCommunicator(lanes[which][rank]), work))),
    abort: (reason) => {
      for (const group of [main, ...lanes]) group[0].abort(reason);
    },
  };
}
