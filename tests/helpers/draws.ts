import type {DrawContext} from '#lib/base/draws.js';
import type {StepContext} from '#lib/base/stepContext.js';

/** The context of a call that has drawn nothing yet. */
export function drawContext(
  context: Partial<StepContext>,
  {place = 0, samples}: {place?: number; samples: number},
): DrawContext {
  return {
    seed: 7,
    layer: 'block_0/dropout',
    step: 3,
    firstSample: 0,
    ...context,
    draws: {phase: 'forward', place, samples, rows: null, count: 0, uniform: null},
  };
}
