/** Tokens without a row in their table are refused in the same words by every strategy. */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {transformer} from '#lib/models/index.js';
import {trainParallelOver} from '#lib/trainParallel.js';
import {DATA, dense, TENSOR, TRAIN, piped, type Way} from '../helpers/asFit';

const N = 8;
const WORDS = 5;

function model(between: boolean): tf.LayersModel {
  const made = tf.sequential();
  if (between) made.add(tf.layers.reshape({name: 'again', targetShape: [4], inputShape: [4]}));
  made.add(
    tf.layers.embedding({
      name: 'words',
      inputDim: WORDS,
      outputDim: 3,
      inputLength: between ? undefined : 4,
    }),
  );
  made.add(tf.layers.flatten({name: 'flat'}));
  made.add(dense('up', 4));
  made.add(dense('out', 1));
  made.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
  return made;
}

const run = (made: tf.LayersModel, token: number, [, devices, options]: Way) => {
  const values = new Float32Array(4 * N).fill(1);
  values[9] = token;
  return trainParallelOver(
    'inProcess',
    made,
    {xs: {values, shape: [N, 4]}, ys: {values: new Float32Array(N), shape: [N, 1]}},
    {batchSize: N, verbose: 0, ...options, devices},
  );
};
const ways = [TRAIN, ...DATA, TENSOR, piped(1, 'up')];

describe('a token out of range', () => {
  it.each(ways)('in the data is refused before a worker starts, %s', async (...way) => {
    for (const token of [WORDS, -1])
      await expect(run(model(false), token, way)).rejects.toMatchObject({
        code: 'BAD_DATA',
        message: expect.stringMatching(
          new RegExp(`^data.xs holds the token ${token} in sample 2, .* layer 'words' has 5 rows`),
        ),
      });
  });
  it.each(ways)('that a layer makes is refused at its step, %s', async (...way) => {
    for (const token of [WORDS, -1])
      await expect(run(model(true), token, way)).rejects.toMatchObject({
        code: 'BAD_DATA',
        message: expect.stringMatching(
          new RegExp(`layer 'words' got the token ${token}, and its table has 5 rows`),
        ),
      });
  });
  it('between two whole numbers is cut off, as in fit', async () => {
    await run(model(false), 4.9, TRAIN);
    await run(model(false), -0.9, TENSOR);
  });
  it('is found by the tables of the course too', () =>
    expect(
      trainParallelOver(
        'inProcess',
        transformer({layers: 1, hidden: 8, heads: 2, vocab: 6, sequence: 2}),
        {
          xs: {values: Int32Array.from([0, 1, 2, 6]), shape: [2, 2]},
          ys: {values: Int32Array.from([0, 1, 2, 3]), shape: [2, 2, 1]},
        },
        {batchSize: 2, devices: 1, verbose: 0},
      ),
    ).rejects.toMatchObject({
      code: 'BAD_DATA',
      message: expect.stringMatching(/the token 6 in sample 1/),
    }));
});
