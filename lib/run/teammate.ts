/**
 * Worker side. A rank's part in a team: its end of the groups, the strategy on it, and what all of it sent.
 */
import {createCommunicator} from '../collectives/communicator';
import {joinSharedGroup, sharedArrayHandles} from '../collectives/sharedMemory';
import type {Communicator, LedgerLine} from '../collectives/types';
import {ManyHandsError} from '../base/errors';
import {ThreadLane, type BucketLane, type LaneReport} from '../dataParallel/bucketLane';
import {DataParallel, type Updated} from '../dataParallel/dataParallel';
import type {Values} from '../step/objective';
import type {Stepper} from '../step/trainStep';
import type {SpanRecorder} from '../trace/spans';
import type {Team} from './jobTypes';

export class Teammate {
  private parallel: DataParallel | null = null;
  private lane: BucketLane | null = null;
  private report: LaneReport | null = null;

  constructor(private readonly comm: Communicator, private readonly team: Team) {}

  get size(): number {
    return this.comm.size;
  }

  /** `recorder` is null where nothing is traced. */
  strategy(recorder: SpanRecorder | null): DataParallel {
    const {comm, team} = this;
    this.parallel = new DataParallel(
      comm,
      async (length, buckets, operation) => {
        const flat = await comm.allocate(length, 'float32');
        const array = sharedArrayHandles(flat);
        if (!array) throw new ManyHandsError('INTERNAL', 'internal: the gradient buffer is not in shared memory.');
        const ranges = buckets.map(({start, end}) => ({start, end}));
        const lane = new ThreadLane({group: team.buckets, rank: comm.rank, array, buckets: ranges, operation});
        this.lane = lane;
        return {flat, lane};
      },
      team.bucketBytes,
      recorder,
    );
    return this.parallel;
  }

  /** Rank 0's bytes reach every rank's `buffer`. */
  async broadcast(buffer: ArrayBuffer): Promise<void> {
    await this.comm.broadcast(new Int32Array(buffer), {root: 0, label: 'initial weights'});
  }

  /** Before the first step: the ranks start their clocks together. */
  async begin(stepper: Stepper, recorder: SpanRecorder, updated: Updated): Promise<void> {
    await this.parallel!.open(stepper.graph, stepper.gradients, updated);
    await this.comm.barrier({label: 'start'});
    recorder.restart();
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

/** Joins the team's groups as `rank`. */
export function joinTeam(rank: number, team: Team): Teammate {
  return new Teammate(createCommunicator(joinSharedGroup(team.main, rank)), team);
}
