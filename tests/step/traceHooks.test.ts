import {describe, expect, it} from 'vitest';
import {phaseHooks} from '#lib/step/traceHooks.js';
import {SpanRecorder} from '#lib/trace/spans.js';

describe('phaseHooks', () => {
  it('counts the micro-batches of each step from 1, forward and backward', () => {
    const recorder = new SpanRecorder(0);
    const hooks = phaseHooks(recorder);
    const call = {} as never;
    for (const step of [0, 1]) {
      void hooks.beforeStep!(step, 2);
      for (let part = 0; part < 2; part++) {
        void hooks.beforeForward!(call);
        void hooks.beforeForward!(call);
        void hooks.beforeLoss!();
        void hooks.afterLoss!();
      }
      void hooks.beforeUpdate!([]);
      void hooks.afterStep!(step);
    }
    const names = [1, 2].flatMap((n) => [
      `forward micro-batch ${n}`,
      'forward loss',
      `backward micro-batch ${n}`,
    ]);
    for (const step of [0, 1])
      expect(
        recorder.spans
          .filter((span) => span.step === step)
          .map(({kind, name}) => `${kind} ${name}`),
      ).toEqual([...names, 'update update']);
  });
});
