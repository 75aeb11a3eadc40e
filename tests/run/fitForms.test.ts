/**
 * What fit takes, member by member: it means the same here, or it is refused with a sentence of its
 * own. A new member of tfjs's types is an error of `tsc -p tests/tsconfig.json`.
 */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {train} from '#lib/run/train.js';
import {trainParallel} from '#lib/trainParallel.js';
import {plan} from '#lib/planner/plan.js';
import {estimateMemory} from '#lib/memoryEstimate/index.js';
import {validatePlan} from '#lib/validatePlan.js';
import type {TrainOptions} from '#lib/config/options.js';
import {mlp} from '#lib/models/index.js';
import {refusal} from '../helpers/refusal';

const model = () => mlp({inputShape: [4], units: [3], classes: 3, seed: 3, optimizer: 'sgd'});
const xs = tf.randomUniform([20, 4], -1, 1, 'float32', 1);
const ys = tf.tensor2d(
  Array.from({length: 20}, (_, i) => i % 3),
  [20, 1],
);
const data = {xs, ys};
const quiet = {verbose: 0, seed: 1, threads: 1, shuffle: false, batchSize: 8} as const;

type FitMember = keyof tf.ModelFitArgs;
type DatasetMember = keyof Parameters<tf.LayersModel['fitDataset']>[1];

/** A value that means the same as in fit, or what a refusal says. */
const MEMBERS: Record<
  FitMember | DatasetMember,
  {value: unknown} | {refused: unknown; says: RegExp}
> = {
  batchSize: {value: 5},
  epochs: {value: 2},
  verbose: {value: 2},
  callbacks: {value: {onBatchEnd() {}}},
  validationSplit: {value: 0.25},
  validationData: {value: [xs, ys]},
  shuffle: {value: false},
  classWeight: {value: {0: 1, 1: 2, 2: 3}},
  // fit has it in its types and refuses it; here it is a weight for each sample.
  sampleWeight: {value: tf.ones([20])},
  initialEpoch: {value: 0},
  yieldEvery: {value: 'epoch'},
  stepsPerEpoch: {refused: 3, says: /has no effect in tfjs's fit.*Leave it out/},
  validationSteps: {refused: 3, says: /belongs to stepsPerEpoch.*give fewer samples/},
  batchesPerEpoch: {refused: 3, says: /belongs to fitDataset.*\{xs, ys\} or \{module\}/},
  validationBatches: {refused: 3, says: /belongs to fitDataset.*give fewer samples/},
  validationBatchSize: {refused: 3, says: /belongs to fitDataset.*leave it out/},
};

/** What `run` changes in a fresh model: its weights afterwards. */
async function trained(
  run: (model: tf.LayersModel) => Promise<unknown>,
  make: () => tf.LayersModel = model,
): Promise<Float32Array[]> {
  const one = make();
  await run(one);
  return one.getWeights().map((weight) => weight.dataSync() as Float32Array);
}

function expectClose(actual: Float32Array[], expected: Float32Array[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((values, i) =>
    values.forEach((value, j) => expect(value).toBeCloseTo(expected[i][j], 5)),
  );
}

const fitsOptions = ({threads: _, seed: __, ...options}: TrainOptions): tf.ModelFitArgs =>
  ({...options, verbose: 0}) as tf.ModelFitArgs;

describe("fit's options", () => {
  for (const [name, member] of Object.entries(MEMBERS)) {
    if ('refused' in member) {
      it(`${name} is refused with a sentence, by train and trainParallel`, async () => {
        const options = {...quiet, [name]: member.refused};
        for (const call of [train, trainParallel]) {
          const error = await refusal(call(model(), data, options));
          expect(error.code).toBe('BAD_OPTION');
          expect(error.message).toMatch(new RegExp(`the option '${name}' ${member.says.source}`));
        }
      });
      continue;
    }
    it(`${name} means the same as in fit`, async () => {
      const options: TrainOptions = {...quiet, [name]: member.value};
      const ours = await trained((one) => train(one, data, {...options, verbose: 0}));
      if (name === 'sampleWeight') delete options.sampleWeight;
      const theirs = await trained((one) => one.fit(xs, ys, fitsOptions(options)));
      expectClose(ours, theirs);
      await train(model(), data, {...quiet, [name]: null});
    });
  }

  it('refuse wrong values before a worker starts', async () => {
    const wrong: Array<[TrainOptions | object, RegExp]> = [
      [{shuffle: 'batch'}, /'batch'\): its fit refuses it too|has not implemented 'batch'/],
      [{verbose: 3}, /verbose must be 0, 1 or 2/],
      [
        {yieldEvery: 'often'},
        /yieldEvery must be 'auto', 'batch', 'epoch' or 'never', or a number/,
      ],
      [{yieldEvery: -1}, /yieldEvery must be/],
      [{yieldEvery: 'never', callbacks: {onYield() {}}}, /yieldEvery is `never`/],
      [{callbacks: {onBatchEnd: 5}}, /onBatchEnd must be a function; it is 5/],
      [{sampleWeight: 'heavy'}, /sampleWeight must be a list of numbers/],
      [{sampleWeight: tf.ones([20, 2])}, /sampleWeight has shape \[20, 2\]/],
      [{sampleWeight: [1, NaN]}, /sampleWeight/],
      [{sampleWeight: [1, 2]}, /sampleWeight has 2 numbers; the data has 20 samples/],
      [{classWeight: 3}, /classWeight must be an object/],
      [{classWeight: [{0: 1}, {0: 1}]}, /classWeight lists 2 outputs; the model has 1: output/],
      [{classWeight: {outputt: {0: 1}}}, /names 'outputt'.*Did you mean 'output'\?/],
      [{classWeight: {0: 'x'}}, /classWeight\[0\] must be a finite number/],
      [{validationData: [xs, ys, tf.ones([20])]}, /third entry.*fit refuses too: write \[xs, ys\]/],
      [{validationData: [xs]}, /validationData must be \{xs, ys\}, or \[xs, ys\]/],
      [{signal: {}}, /signal must be an AbortSignal/],
    ];
    for (const [options, message] of wrong) {
      const error = await refusal(train(model(), data, {...quiet, ...options} as TrainOptions));
      expect(error.code).toBe('BAD_OPTION');
      expect(error.message).toMatch(message);
    }
  });

  it('classWeight in a list and by name is that of the one output', async () => {
    const weights = {0: 1, 1: 4, 2: 0.5};
    const one = await trained((m) => train(m, data, {...quiet, classWeight: weights}));
    for (const classWeight of [[weights], {output: weights}])
      expect(await trained((m) => train(m, data, {...quiet, classWeight}))).toEqual(one);
  });

  it('onYield is called as often as in fit', async () => {
    // The clock of the callback, by which tfjs decides: 10 ms for each look at it.
    const counted = (yieldEvery: TrainOptions['yieldEvery']) => {
      let now = 0;
      const calls: string[] = [];
      const callbacks = {
        onYield: (epoch: number, batch: number) => void calls.push(`${epoch} ${batch}`),
        nowFunc: () => (now += 10),
        nextFrameFunc: () => Promise.resolve(),
      };
      return {calls, options: {...quiet, epochs: 3, yieldEvery, callbacks} as TrainOptions};
    };
    for (const yieldEvery of ['auto', 'batch', 'epoch', 25, 5] as const) {
      const [ours, theirs] = [counted(yieldEvery), counted(yieldEvery)];
      await train(model(), data, ours.options);
      await model().fit(xs, ys, fitsOptions(theirs.options));
      expect(ours.calls, String(yieldEvery)).toEqual(theirs.calls);
    }
  });
});

describe('a call in the form of fit', () => {
  const asked = (call: string) =>
    new RegExp(
      `^${call} takes \\(model, \\{xs, ys\\}.*called as fit is.*Write ${call}\\(model, \\{xs, ys\\}, `,
    );
  it.each([
    ['train', train],
    ['trainParallel', trainParallel],
    ['validatePlan', validatePlan],
  ] as Array<[string, (...values: unknown[]) => Promise<unknown>]>)('%s', async (name, call) => {
    const byName = {input: xs};
    for (const args of [
      [xs, ys],
      [xs, ys, {epochs: 2}],
      [[xs], [ys]],
      [byName, {output: ys}, {}],
      [{values: new Float32Array(4), shape: [1, 4]}, [[1]]],
    ]) {
      const error = await refusal(call(model(), ...args));
      expect(error.code).toBe('BAD_DATA');
      expect(error.message).toMatch(asked(name));
    }
    expect((await refusal(call(model(), xs))).message).toMatch(/inputs without targets/);
  });

  it.each([
    ['plan', plan],
    ['estimateMemory', async (...args: [tf.LayersModel, object]) => estimateMemory(...args)],
  ] as Array<[string, (...values: unknown[]) => Promise<unknown>]>)('%s', async (name, call) => {
    for (const args of [[xs], [data], [xs, ys]]) {
      const error = await refusal(call(model(), ...args));
      expect(error.code).toBe('BAD_OPTION');
      expect(error.message).toContain(`${name} takes (model, options) and needs no data.`);
    }
  });
});
