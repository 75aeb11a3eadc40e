/**
 * A simulated step as the spans that a real run's trace has of it.
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

/**
 * What a rank does when its last micro-batch is over, by its place in the pipeline; all in seconds.
 */
export interface Ending {
  /** Its last action is over. */
  worked: number[];
  /** Its part of the data axis is over. */
  reduced: number[];
  /** All ranks have the loss, so that they update. */
  known: number;
}

/** The part of a playing that is of each place of the pipeline, in its order. */
function byPlace<T extends TimedAction | TimedMessage>(
  all: readonly T[],
  places: ReadonlySet<number>,
): Map<number, T[]> {
  const found = new Map([...places].map((place): [number, T[]] => [place, []]));
  for (const one of all) found.get(one.rank)?.push(one);
  return found;
}

/** The spans of `ranks`, a rank after the other, each in the order of time. */
export function spansOf(
  mesh: Mesh,
  schedule: Schedule,
  stagesPerRank: number,
  {played, messages}: Pick<ScheduleTimeline, 'played' | 'messages'>,
  costs: CheckedCosts,
  ending: Ending,
  ranks: readonly number[],
): Span[] {
  const placeOf = (rank: number) => mesh.coordinatesOf(rank).pipeline;
  const places = new Set(ranks.map(placeOf));
  const [computes, sent] = [byPlace(played, places), byPlace(messages, places)];
  const spans: Span[] = [];
  for (const rank of ranks) {
    const place = placeOf(rank);
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
    let [compute, message] = [0, 0];
    for (const action of schedule.actions[place]) {
      if (action.do === 'update') continue;
      const {kind, name} = actionSpan(action, stagesPerRank);
      if ('peer' in action) {
        const {start, end} = sent.get(place)![message++];
        add(kind, name, start, end);
        continue;
      }
      const {start, end} = computes.get(place)![compute++];
      const stage = action.localStage * mesh.pipeline + place;
      const said = costs.tensor[action.do][stage];
      if (said === 0) add(kind, name, start, end);
      else {
        // A divided layer completes its result in the middle of the walk, which then goes on.
        const half = (end - start - said) / 2;
        add(kind, name, start, start + half);
        add(
          'communication',
          `all-reduce stage ${stage}${action.do === 'forward' ? '' : ', gradient'}`,
          start + half,
          end - half,
        );
        add(kind, name, end - half, end);
      }
    }
    const {worked, reduced, known} = ending;
    if (mesh.data > 1) {
      // A helper thread reduces, and the rank waits for it.
      add('wait', 'gradients', worked[place], reduced[place]);
      add('communication', 'bucket 0', worked[place], reduced[place]);
    }
    if (mesh.pipeline > 1) add('wait', 'metrics', reduced[place], known);
    add('update', 'update', known, known + costs.update[place]);
  }
  return spans;
}
