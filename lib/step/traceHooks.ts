/**
 * Hooks that record the spans of a step: one a phase, or one a layer.
 */
import type {SpanRecorder} from '../trace/spans';
import type {StepHooks} from './hooks';

/**
 * One span a phase: forward, loss (with its gradient and the metrics, as a forward span), backward,
 * update.
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

/** Only the step's number and its update, for a strategy that records the rest. */
export function stepHooks(recorder: SpanRecorder): StepHooks {
  return {
    beforeStep: (step) => {
      recorder.step = step;
    },
    beforeUpdate: () => recorder.begin('update', 'update'),
    afterStep: () => recorder.end(),
  };
}

/** One span for each layer's forward and backward, for the loss and for the update. */
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
