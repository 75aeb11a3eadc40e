/**
 * How an action of a schedule stands in a trace: the same words in a run and in a
 * simulation.
 */
import type {Span} from '../trace/spans';
import type {Action} from './schedule';

const PARTS = {forward: '', backward: '', backwardInput: ', input', backwardWeights: ', weights'};

/**
 * Kind and name of the span of an action, of a rank that has so many stages; micro-batches and
 * stagesPerRank count from 1.
 */
export function actionSpan(action: Action, stagesPerRank: number): Pick<Span, 'kind' | 'name'> {
  if (action.do === 'update') return {kind: 'update', name: 'update'};
  const batch = `micro-batch ${action.microBatch + 1}`;
  if (action.do === 'send') return {kind: 'communication', name: `send ${batch}'s ${action.what}`};
  if (action.do === 'recv') return {kind: 'wait', name: `${batch}'s ${action.what}`};
  const where = stagesPerRank > 1 ? `, local stage ${action.localStage + 1}` : '';
  return {
    kind: action.do === 'forward' ? 'forward' : 'backward',
    name: `${batch}${where}${PARTS[action.do]}`,
  };
}
