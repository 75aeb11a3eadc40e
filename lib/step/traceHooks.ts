/**
 * The hooks that record a step's spans: its phases, or every layer's.
 */
import type {SpanRecorder} from '../trace/spans';
import type {StepHooks} from './hooks';

/**
 * A span a phase: forward, the loss with its gradient and the metrics (a forward span of its own
 * name), backward, update.
 */
export function phaseHooks(recorder: SpanRecorder): StepHooks {
  let forward = false;
  let microBatch = 0;
  return {
    beforeStep: (step) => {
      recorder.step = step;
      forward = false;
      microBatch = 0;
    },
    beforeForward: () => {
      if (forward) return;
      forward = true;
      microBatch += 1;
      recorder.begin('forward', `micro-batch ${microBatch}`);
    },
    beforeLoss: () => recorder.begin('forward', 'loss'),
    afterLoss: () => {
      forward = false;
      recorder.begin('backward', `micro-batch ${microBatch}`);
    },
    beforeUpdate: () => recorder.begin('update', 'update'),
    afterStep: () => recorder.end(),
  };
}

/** The number of the step and its update alone, where a strategy records the rest. */
export function stepHooks(recorder: SpanRecorder): StepHooks {
  return {
    beforeStep: (step) => {
      recorder.step = step;
    },
    beforeUpdate: () => recorder.begin('update', 'update'),
    afterStep: () => recorder.end(),
  };
}

/** A span for each layer's forward and backward, one for the loss, one for the update. */
export function layerHooks(recorder: SpanRecorder): StepHooks {
  return {
    beforeStep: (step) => {
      recorder.step = step;
    },
    beforeForward: (call) => recorder.begin('forward', call.name),
    beforeLoss: () => recorder.begin('forward', 'loss'),
    afterLoss: () => recorder.end(),
    beforeRecompute: (call) => recorder.begin('forward', `${call.name} again`),
    beforeBackward: (call) => recorder.begin('backward', call.name),
    beforeUpdate: () => recorder.begin('update', 'update'),
    afterStep: () => recorder.end(),
  };
}
