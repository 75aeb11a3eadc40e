/**
 * The spans of a simulated step, as a real run's trace has them.
 */
import type {Mesh} from '../mesh/mesh';
import {actionSpan} from '../pipelineParallel/schedule';
import type {
  TimedAction,
  TimedMessage,
  ScheduleTimeline,
} from '../pipelineParallel/simulateSchedule';
import type {Schedule} from '../pipelineParallel/schedule';
import type {Span, SpanKind} from '../trace/spans';
import type {CheckedCosts} from './costs';

/** When a step's last phases begin and end, in seconds; lists are by pipeline rank. */
export interface StepEnd {
  /** When the rank's last action ends. */
  worked: number[];
  /** When the rank's reduction along the data axis ends. */
  reduced: number[];
  /** When all ranks have the loss, so that they update. */
  updateStart: number;
}

/** The timed actions of each of these pipeline ranks, in the order of time. */
function byPipelineRank<T extends TimedAction | TimedMessage>(
  actions: readonly T[],
  pipelineRanks: ReadonlySet<number>,
): Map<number, T[]> {
  const lists = new Map([...pipelineRanks].map((rank): [number, T[]] => [rank, []]));
  for (const action of actions) lists.get(action.rank)?.push(action);
  return lists;
}

/** The spans of `ranks`, one rank after another, each in the order of time. */
export function spansOf(
  mesh: Mesh,
  schedule: Schedule,
  stagesPerRank: number,
  {played, messages}: Pick<ScheduleTimeline, 'played' | 'messages'>,
  costs: CheckedCosts,
  {worked, reduced, updateStart}: StepEnd,
  ranks: readonly number[],
): Span[] {
  const pipelineRankOf = (rank: number) => mesh.coordinatesOf(rank).pipeline;
  const pipelineRanks = new Set(ranks.map(pipelineRankOf));
  const computesOf = byPipelineRank(played, pipelineRanks);
  const messagesOf = byPipelineRank(messages, pipelineRanks);
  const spans: Span[] = [];
  for (const rank of ranks) {
    const pipelineRank = pipelineRankOf(rank);
    const add = (kind: SpanKind, name: string, start: number, end: number) => {
      const works = kind !== 'wait' && kind !== 'communication';
      spans.push({
        rank,
        step: 0,
        kind,
        name,
        start,
        wallSeconds: end - start,
        cpuSeconds: works ? end - start : 0,
      });
    };
    let [nextCompute, nextMessage] = [0, 0];
    for (const action of schedule.actions[pipelineRank]) {
      if (action.do === 'update') continue;
      const {kind, name} = actionSpan(action, stagesPerRank);
      if ('peer' in action) {
        const {start, end} = messagesOf.get(pipelineRank)![nextMessage++];
        add(kind, name, start, end);
        continue;
      }
      const {start, end} = computesOf.get(pipelineRank)![nextCompute++];
      const stage = action.localStage * mesh.pipeline + pipelineRank;
      const tensor = costs.tensor[action.do][stage];
      if (tensor === 0) {
        add(kind, name, start, end);
        continue;
      }
      // The action's all-reduces are drawn as one, in its middle.
      const half = (end - start - tensor) / 2;
      const gradient = action.do === 'forward' ? '' : ', gradient';
      add(kind, name, start, start + half);
      add('communication', `all-reduce stage ${stage}${gradient}`, start + half, end - half);
      add(kind, name, end - half, end);
    }
    if (mesh.data > 1) {
      // The communication thread reduces, and the rank waits for it.
      add('wait', 'gradients', worked[pipelineRank], reduced[pipelineRank]);
      add('communication', 'bucket 0', worked[pipelineRank], reduced[pipelineRank]);
    }
    if (mesh.pipeline > 1) add('wait', 'metrics', reduced[pipelineRank], updateStart);
    add('update', 'update', updateStart, updateStart + costs.update[pipelineRank]);
  }
  return spans;
}
