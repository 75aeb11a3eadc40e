/**
 * The process groups of a run: one for all ranks, one for each line of ranks along an axis of the
 * mesh, and those of the data axis's communication streams.
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
  /** The group's members, as ranks of the whole run. */
  ranks: number[];
}

export class ProcessGroups {
  private readonly members: Member[] = [];
  readonly handles: ProcessGroupHandles;

  /**
   * `channelBytes`: bytes for the unread messages from one stage of a pipeline to a neighbour.
   */
  constructor(mesh: Mesh, timeoutMs: number, channelBytes: number | undefined) {
    const everyone = Array.from({length: mesh.size}, (_, rank) => rank);
    const open = (ranks: number[], bytes?: number): SharedGroupHandle => {
      const group = createSharedGroup(ranks.length, {timeoutMs, channelBytes: bytes});
      this.members.push({group, ranks});
      return group.handle;
    };
    const bytesOf = (axis: Axis) => (axis === 'pipeline' ? channelBytes : undefined);
    // An axis that contains all ranks uses the group of all ranks.
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
    for (const {group} of this.members) group.abort(reason);
  }

  /**
   * A rank's latest collective in words: an unfinished call if there is one; null without calls.
   */
  lastCall(rank: number): string | null {
    const calls = this.members.flatMap(({group, ranks}) =>
      ranks.includes(rank) ? (group.lastCall(ranks.indexOf(rank)) ?? []) : [],
    );
    return calls.find((call) => call.endsWith('started')) ?? calls[calls.length - 1] ?? null;
  }

  close(): void {
    for (const {group} of this.members) group.close();
  }
}
