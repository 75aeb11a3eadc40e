import {describe, expect, it} from 'vitest';
import {summarize} from '#lib/public/course.js';
import {mlp, mnist, train, trainParallel} from '#lib/public/course.js';
import {stragglerOf, type RankTiming} from '#lib/run/timing.js';

const timing = (...busy: number[]): RankTiming[] =>
  busy.map((seconds, rank) => ({
    rank,
    samples: 1,
    samplesPerSecond: 1,
    computeSeconds: seconds / 2,
    communicationSeconds: 0,
    waitSeconds: 0,
    noCoreSeconds: seconds / 2,
  }));

describe('stragglerOf', () => {
  it('names a rank that takes half as long again as the others, and none that does not', () => {
    expect(stragglerOf(timing(1, 1.1, 3.1, 1))).toEqual({rank: 2, times: 3.1});
    expect(stragglerOf(timing(1, 1.2))).toBeNull();
    expect(stragglerOf(timing(1, 2))).toEqual({rank: 1, times: 2});
    expect(stragglerOf(timing(0, 0))).toBeNull();
    expect(stragglerOf(timing(5))).toBeNull();
  });
});

describe('explain', () => {
  const digits = mnist({train: 96, test: 0, flat: true}).train;
  const options = {batchSize: 32, seed: 1, verbose: 0 as const};

  it('is five sentences from the numbers of the run', async () => {
    const result = await trainParallel(mlp({units: [32], seed: 1}), digits, {
      ...options,
      devices: ['cpu', 'cpu'],
      strategy: 'dataParallel',
    });
    const sentences = summarize(result).split('\n');
    expect(sentences).toHaveLength(5);
    expect(sentences[0]).toBe('2 devices × 1 thread (cpu).');
    // 784 x 32 + 32 + 32 x 10 + 10 weights of 4 bytes: half of the sums, half of the new weights.
    expect(sentences[2]).toMatch(
      /^Each sent 102 kB per step for .*reduce-scatter of its gradients.*, as the formula says\.$/,
    );
    expect(sentences[3]).toMatch(
      /^Of a step \d+ % was compute, \d+ % was time without a core and \d+ % was waiting for others/,
    );
    expect(sentences[4]).toMatch(/^Try: /);
  });

  it('counts what stage 3 gathers, too', async () => {
    const result = await trainParallel(mlp({units: [32], seed: 1}), digits, {
      ...options,
      devices: ['cpu', 'cpu'],
      strategy: 'fsdp',
    });
    // Half of the same bytes, three times.
    expect(summarize(result)).toMatch(
      /Each sent 153 kB per step for .*all-gather of the weights for the forward pass and .*for the backward pass/,
    );
  });

  it('of a pipeline: what crosses the cuts, and its bubble', async () => {
    const result = await trainParallel(mlp({units: [32, 32], seed: 1}), digits, {
      ...options,
      devices: ['cpu', 'cpu'],
      strategy: {kind: 'pipelineParallel', schedule: 'naive', microBatches: 2},
    });
    const sentences = summarize(result).split('\n');
    // 32 samples x 32 floats, one way each.
    expect(sentences[2]).toBe(
      'Each sent 4.10 kB per step for the activations to the next stage and the gradients to the stage before, as the formula says.',
    );
    expect(sentences[4]).toMatch(/^Try: a schedule other than 'naive'/);
  });

  it('says what it does not know, and speaks of one device as of one', async () => {
    expect(
      summarize(await train(mlp({units: [8], seed: 1}), digits, {...options, trace: false})),
    ).toMatch(
      /1 device × .*Nothing had to be sent.*kept no trace.*Try: trainParallel on two devices/s,
    );
  });
});
