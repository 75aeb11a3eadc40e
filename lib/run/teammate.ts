/**
 * Worker side. A rank's part in a team: its end of the groups, the strategy on it, and what all of it sent.
 */
import {createCommunicator} from '../collectives/communicator';
import {createInProcessGroup} from '../collectives/inProcess';
import {joinSharedGroup, sharedArrayHandles} from '../collectives/sharedMemory';
import type {Communicator, LedgerLine} from '../collectives/types';
import {ManyHandsError} from '../base/errors';
import {DirectLane, ThreadLane, type BucketLane, type LaneOperation, type LaneReport} from '../dataParallel/bucketLane';
import type {Bucket} from '../dataParallel/buckets';
import {DataParallel, type OpenLane, type Updated} from '../dataParallel/dataParallel';
import type {Values} from '../step/objective';
import type {Stepper} from '../step/trainStep';
import type {SpanRecorder} from '../trace/spans';
import {machineMs} from '../trace/threadTime';
import {noteRegion} from '../workers/sharedRegion';
import type {Team} from './jobTypes';

type MakeLane = (flat: Float32Array, buckets: Bucket[], operation: LaneOperation) => BucketLane;

export class Teammate {
  private parallel: DataParallel | null = null;
  private lane: BucketLane | null = null;
  private report: LaneReport | null = null;

  constructor(private readonly comm: Communicator, private readonly bucketBytes: number, private readonly makeLane: MakeLane) {}

  get size(): number {
    return this.comm.size;
  }

  /** `recorder` is null where nothing is traced. */
  strategy(recorder: SpanRecorder | null): DataParallel {
    const open: OpenLane = async (length, buckets, operation) => {
      const flat = await this.comm.allocate(length, 'float32');
      this.lane = this.makeLane(flat, buckets, operation);
      return {flat, lane: this.lane};
    };
    return (this.parallel = new DataParallel(this.comm, open, this.bucketBytes, recorder));
  }

  /** Rank 0's bytes reach every rank's `buffer`. */
  async broadcast(buffer: ArrayBuffer): Promise<void> {
    await this.comm.broadcast(new Int32Array(buffer), {root: 0, label: 'initial weights'});
  }

  /** Before the first step: the ranks start their clocks together. */
  async begin(stepper: Stepper, recorder: SpanRecorder, updated: Updated): Promise<void> {
    await this.parallel!.open(stepper.graph, stepper.gradients, updated);
    await this.comm.barrier({label: 'start'});
    const origin = new Float64Array([machineMs()]);
    await this.comm.broadcast(new Int32Array(origin.buffer), {root: 0, label: 'clock'});
    recorder.restart(origin[0]);
  }

  async sumValues(values: Values): Promise<Values> {
    return this.parallel!.sumValues(values);
  }

  /** Ends the lane; its spans join the recorder's. Returns what this rank sent and received. */
  async finish(recorder: SpanRecorder): Promise<LedgerLine[]> {
    this.report = await this.lane!.finish();
    const perStep = this.report.spans.length > 0 ? Math.max(...this.report.spans.map(({bucket}) => bucket)) + 1 : 1;
    this.report.spans.forEach(({bucket, startMs, wallSeconds, cpuSeconds}, i) => {
      recorder.add({kind: 'communication', name: `bucket ${bucket}`, step: Math.floor(i / perStep), startMs, wallSeconds, cpuSeconds});
    });
    // Nobody leaves while another still reads its memory.
    await this.comm.barrier({label: 'end'});
    return [...this.comm.ledger(), ...this.report.ledger];
  }

  async close(): Promise<void> {
    // Its thread may wait for ranks that will not come.
    if (this.lane && !this.report) await this.lane.abandon();
    this.parallel?.dispose();
    this.comm.close();
  }
}

/** Joins the groups of a team of processes as `rank`. */
export function joinTeam(rank: number, {groups, bucketBytes}: Team): Teammate {
  if (!groups) throw new ManyHandsError('INTERNAL', 'internal: ranks of one process were given jobs of their own.');
  noteRegion(groups.buckets.region);
  return new Teammate(createCommunicator(joinSharedGroup(groups.main, rank)), bucketBytes, (flat, buckets, operation) => {
    const array = sharedArrayHandles(flat);
    if (!array) throw new ManyHandsError('INTERNAL', 'internal: the gradient buffer is not in shared memory.');
    return new ThreadLane({group: groups.buckets, rank, array, buckets: buckets.map(({start, end}) => ({start, end})), operation});
  });
}

/** A team whose ranks all live in this process, by rank; `abort` frees those that wait. */
export function teamOfOneProcess({size, bucketBytes}: Team, timeoutMs: number): {mates: Teammate[]; abort(reason: string): void} {
  const main = createInProcessGroup(size, {timeoutMs});
  // Buckets leave between other calls: in a group of their own the ranks agree on their order.
  const buckets = createInProcessGroup(size, {timeoutMs});
  return {
    mates: main.map((transport, rank) => new Teammate(createCommunicator(transport), bucketBytes, (flat, plan, operation) => new DirectLane(createCommunicator(buckets[rank]), flat, plan, operation))),
    abort: (reason) => {
      main[0].abort(reason);
      buckets[0].abort(reason);
    },
  };
}
