import {execFileSync} from 'node:child_process';
import {describe, expect, it} from 'vitest';

const program = `const {train} = require('#lib/run/train.js'); const {trainParallel} = require('#lib/trainParallel.js'); const {mlp} = require('#lib/models/index.js');
const model = mlp({inputShape: [4], units: [4], classes: 3, seed: 1});
const data = {xs: {values: Float32Array.from({length: 240}, (_, i) => Math.sin(i)), shape: [60, 4]}, ys: {values: Float32Array.from({length: 60}, (_, i) => i % 3), shape: [60, 1]}};
const ends = []; const [first] = model.layers;
const callbacks = {onEpochEnd: (epoch) => void ends.push(epoch), onBatchEnd: (batch) => { if (batch === 0) first.setWeights(first.getWeights().map((weight) => weight.mul(0.9))); }};
const devices = Number(process.env.DEVICES);
const options = {verbose: 0, seed: 1, epochs: 2, threads: 1, callbacks};
(devices ? trainParallel(model, data, {...options, devices, strategy: process.env.STRATEGY || 'dataParallel'}) : train(model, data, options))
  .then(({history, plan, traffic, memory}) => console.log(JSON.stringify({loss: history.history.loss, ends, reason: plan.reason, traffic, memory: memory.length, error: null})),
    ({code, message}) => console.log(JSON.stringify({error: {code, message}})));`;

interface Ran {
  loss: number[];
  ends: number[];
  reason: string;
  traffic: Array<{rank: number; operation: string; sent: number}>;
  memory: number;
}

function run(environment: Record<string, string>): Ran {
  const out = execFileSync(process.execPath, ['-e', program], {
    encoding: 'utf8',
    timeout: 60_000,
    env: {...process.env, ...environment},
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(out) as Ran;
}
const losses = (environment: Record<string, string>) => run(environment).loss;

describe('train', () => {
  it('learns the same where shared memory is not to be had, and on the JavaScript engine', () => {
    const reference = losses({});
    expect(losses({MANY_HANDS_TRANSPORT: 'message'})).toEqual(reference);
    losses({MANY_HANDS_ENGINE: 'javascript'}).forEach((loss, i) =>
      expect(loss).toBeCloseTo(reference[i], 5),
    );
  });
});

describe('trainParallel', () => {
  it('takes turns in one process where shared memory is not to be had: the same training, and it says so', () => {
    const reference = losses({});
    for (const devices of ['2', '3']) {
      const {loss, ends, reason, traffic, memory} = run({
        MANY_HANDS_TRANSPORT: 'message',
        DEVICES: devices,
      });
      loss.forEach((value, i) => expect(value).toBeCloseTo(reference[i], 5));
      expect(ends).toEqual([0, 1]);
      expect(reason).toMatch(/koffi does not load.*take turns in one process/);
      expect(memory).toBe(Number(devices));
      for (let rank = 0; rank < Number(devices); rank++) {
        expect(
          traffic
            .filter((line) => line.rank === rank && /gradients/.test(line.operation))
            .reduce((sum, {sent}) => sum + sent, 0),
        ).toBeGreaterThan(0);
      }
    }
  });

  it('shards too, where all ranks share a process', () => {
    const reference = losses({});
    const {loss, traffic, memory} = run({
      MANY_HANDS_TRANSPORT: 'message',
      DEVICES: '3',
      STRATEGY: 'fsdp',
    });
    loss.forEach((value, i) => expect(value).toBeCloseTo(reference[i], 5));
    expect(memory).toBe(3);
    expect(
      traffic.some(
        ({rank, operation}) => rank === 2 && operation === 'allGather parameters, backward',
      ),
    ).toBe(true);
  });
});
