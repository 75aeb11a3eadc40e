import {execFileSync} from 'node:child_process';
import {describe, expect, it} from 'vitest';

const program = `const {train} = require('#lib/train.js'); const {mlp} = require('#lib/models/index.js');
const model = mlp({inputShape: [4], units: [4], classes: 3, seed: 1});
const data = {xs: {values: Float32Array.from({length: 240}, (_, i) => Math.sin(i)), shape: [60, 4]}, ys: {values: Float32Array.from({length: 60}, (_, i) => i % 3), shape: [60, 1]}};
train(model, data, {verbose: 0, seed: 1, epochs: 2, threads: 1}).then(({history, devices}) => console.log(JSON.stringify({loss: history.history.loss, devices})));`;

function losses(environment: Record<string, string>): number[] {
  const out = execFileSync(process.execPath, ['-e', program], {encoding: 'utf8', timeout: 60_000, env: {...process.env, ...environment}, stdio: ['ignore', 'pipe', 'ignore']});
  return (JSON.parse(out) as {loss: number[]}).loss;
}

describe('train', () => {
  it('learns the same where shared memory is not to be had, and on the JavaScript engine', () => {
    const reference = losses({});
    expect(losses({MANY_HANDS_TRANSPORT: 'message'})).toEqual(reference);
    losses({MANY_HANDS_ENGINE: 'javascript'}).forEach((loss, i) => expect(loss).toBeCloseTo(reference[i], 5));
  });
});
