/**
 * The groups in which a team of processes talks: all of it, each line of ranks along
 * an axis of the mesh, and the lanes of the data axis.
 */
import {
  createSharedGroup,
  type SharedGroup,
  type SharedGroupHandle,
} from '../collectives/sharedMemory';
import {AXES_INSIDE_OUT, type Axis, type Mesh} from '../mesh/mesh';
import {COMM_STREAMS, type ProcessGroupHandles} from '../job/protocol';

interface Member {
  group: SharedGroup;
  /** The group's ranks as the team knows them. */
  ranks: number[];
}

export class ProcessGroups {
  private readonly all: Member[] = [];
  readonly handles: ProcessGroupHandles;

  /**
   * `channelBytes`: for the messages that are under way between two neighbours of a pipeline, one
   * way.
   */
  constructor(mesh: Mesh, timeoutMs: number, channelBytes: number | undefined) {
    const everyone = Array.from({length: mesh.size}, (_, rank) => rank);
    const open = (ranks: number[], bytes?: number): SharedGroupHandle => {
      const group = createSharedGroup(ranks.length, {timeoutMs, channelBytes: bytes});
      this.all.push({group, ranks});
      return group.handle;
    };
    const bytesOf = (axis: Axis) => (axis === 'pipeline' ? channelBytes : undefined);
    // An axis of all ranks talks in the team's own group.
    const partial = AXES_INSIDE_OUT.filter((axis) => mesh[axis] > 1 && mesh[axis] < mesh.size);
    const world = open(everyone, mesh.pipeline === mesh.size ? channelBytes : undefined);
    const axes: ProcessGroupHandles['axes'] = {};
    for (const axis of partial)
      axes[axis] = mesh.groups(axis).map((ranks) => open(ranks, bytesOf(axis)));
    const commStreams =
      mesh.data > 1
        ? mesh.groups('data').map((ranks) => Array.from({length: COMM_STREAMS}, () => open(ranks)))
        : [];
    this.handles = {world, axes, commStreams};
  }

  abort(reason: string): void {
    for (const {group} of this.all) group.abort(reason);
  }

  /** Where a rank was last, in words: a call that it is still in, before one that is over. */
  lastCall(rank: number): string | null {
    const calls = this.all.flatMap(({group, ranks}) =>
      ranks.includes(rank) ? (group.lastCall(ranks.indexOf(rank)) ?? []) : [],
    );
    return calls.find((call) => call.endsWith('started')) ?? calls[calls.length - 1] ?? null;
  }

  close(): void {
    for (const {group} of this.all) group.close();
  }
}
