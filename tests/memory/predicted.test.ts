import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type * as Tf from '@tensorflow/tfjs';
import {tf} from '#lib/devices/register.js';
import type {OperationRecord} from '#lib/memory/call.js';
import {type MemoryMeter, startMeter} from '#lib/memory/meter.js';
import {mayShare, newBytes} from '#lib/memory/outputShapes.js';
import {convnet, drivingNet, mlp, transformer} from '#lib/models/index.js';
import {beyondExercises} from './beyond';
import {type Exercise, layerExercises, operationExercises, trainingExercises} from './exercises';
import {type ProbeAttribute, type ProbeInput, tensorflowProbe} from './tensorflowProbe';

interface Backend {
  tensorMap: {get(id: object): {dtype: number}};
  executeSingleOutput(op: string, attributes: ProbeAttribute[], inputs: Tf.Tensor[]): Tf.Tensor;
  executeMultipleOutputs(
    op: string,
    attributes: ProbeAttribute[],
    inputs: Tf.Tensor[],
    outputs: number,
  ): Tf.Tensor[];
}

/** Every operation that an exercise ran, with its inputs where the probe can take them. */
interface Ran {
  record: OperationRecord;
  attributes: ProbeAttribute[];
  inputs: ProbeInput[] | null;
}

describe('what the rules foretell is what TensorFlow makes', () => {
  let meter: MemoryMeter;
  let ran: Ran[] = [];
  let unwrap = (): void => {};

  beforeAll(() => {
    meter = startMeter();
    // Inputs are copied before the operation runs, for the probe to run it once more.
    const backend = tf.backend() as unknown as Backend;
    const {executeSingleOutput, executeMultipleOutputs} = backend;
    let about: Omit<Ran, 'record'> | null = null;
    const note = (attributes: ProbeAttribute[], inputs: Tf.Tensor[]): void => {
      const types = inputs.map((input) => backend.tensorMap.get(input.dataId).dtype);
      const takes = types.every((type) => [1, 3, 10].includes(type));
      about = {
        attributes,
        inputs: takes
          ? inputs.map((input, i) => ({
              type: types[i],
              shape: input.shape,
              values: input.dataSync(),
            }))
          : null,
      };
    };
    backend.executeSingleOutput = (op, attributes, inputs) => {
      note(attributes, inputs);
      return executeSingleOutput.call(backend, op, attributes, inputs);
    };
    backend.executeMultipleOutputs = (op, attributes, inputs, outputs) => {
      note(attributes, inputs);
      return executeMultipleOutputs.call(backend, op, attributes, inputs, outputs);
    };
    meter.observer = (record) => ran.push({record, ...(about ?? {attributes: [], inputs: null})});
    unwrap = () => Object.assign(backend, {executeSingleOutput, executeMultipleOutputs});
  });
  afterAll(() => {
    unwrap();
    meter.stop();
  });

  const probe = tensorflowProbe();
  const probed = new Set<string>();

  function holds({record, attributes, inputs}: Ran): void {
    const {op, predicted, outputs} = record;
    expect(predicted, `${op} has no rule`).not.toBeNull();
    if (!predicted) return;
    expect(predicted.length, op).toBe(outputs.length);
    if (!mayShare(op))
      expect(
        predicted.some((told) => told.from !== undefined),
        `${op} shares, and is not in the list of those that may`,
      ).toBe(false);
    predicted.forEach((told, i) => {
      const {shape, type} = outputs[i];
      expect(type, `${op}, type`).toBe(told.type);
      if (told.atMost)
        told.shape.forEach((dim, at) => expect(shape[at], op).toBeLessThanOrEqual(dim));
      else expect(shape, op).toEqual(told.shape);
    });
    if (!predicted.some((told) => told.atMost))
      expect(record.liveBytes - record.liveBefore, `${op}, bytes`).toBe(newBytes(predicted));
    if (!probe || !inputs) return;
    const seen = probe(op, attributes, inputs, outputs.length);
    probed.add(op);
    seen.forEach(({bytes, from}, i) => {
      if (bytes === 0) return;
      expect({op, inputs: inputs.map(({shape}) => shape), shared: from >= 0}).toEqual({
        op,
        inputs: inputs.map(({shape}) => shape),
        shared: outputs[i].shared,
      });
      expect(bytes, op).toBe(outputs[i].bytes);
    });
  }

  const models: Exercise[] = Object.entries({
    mlp: () => mlp({dropout: 0.1}),
    convnet: () => convnet({}),
    drivingNet: () => drivingNet({dropout: 0.1}),
    transformer: () => transformer({hidden: 32, sequence: 8, dropout: 0.1}),
  }).map(([name, make]) => ({
    name: `this library's ${name}`,
    async run() {
      const model = make();
      const [xs, ys] = tf.tidy(() => {
        const input = [2, ...(model.inputs[0].shape.slice(1) as number[])];
        const output = model.outputs[0].shape.slice(1) as number[];
        return [
          name === 'transformer'
            ? tf.ones(input, 'int32')
            : tf.randomUniform(input, 0, 1, 'float32', 1),
          tf.ones(name === 'transformer' ? [2, output[0], 1] : [2, 1]),
        ];
      });
      await model.trainOnBatch(xs, ys);
      model.optimizer.dispose();
      model.dispose();
      tf.dispose([xs, ys]);
    },
  }));

  it.each(
    [
      ...models,
      ...beyondExercises(tf),
      ...operationExercises(tf),
      ...layerExercises(tf),
      ...trainingExercises(tf),
    ].map((exercise) => [exercise.name, exercise] as [string, Exercise]),
  )('%s', async (_, exercise) => {
    ran = [];
    const before = meter.liveBytes;
    await exercise.run();
    expect(ran.length).toBeGreaterThan(0);
    const operations = ran;
    ran = [];
    for (const operation of operations) holds(operation);
    // tfjs keeps a few scalars of its own; a tensor of the model left in the books would be more.
    expect(meter.liveBytes - before).toBeLessThanOrEqual(64);
  });

  it('the probe saw sharing and owning of many operations', (context) => {
    if (!probe) context.skip('the system does not say where libtensorflow is loaded');
    expect(probed.size).toBeGreaterThan(100);
  });
});
