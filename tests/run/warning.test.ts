/** What a strategy costs that is easily overlooked is said when the run begins. */
import {expect, it} from 'vitest';
import '#lib/devices/register.js';
import {onRun} from '#lib/base/events.js';
import {textCorpus} from '#lib/data/index.js';
import {transformer} from '#lib/models/index.js';
import type {Strategy} from '#lib/config/options.js';
import {trainParallel} from '#lib/trainParallel.js';

/**
 * What a run says of itself, in order: its events but for those of its steps, and the lines of its
 * ranks.
 */
async function said(
  strategy: Extract<Strategy, {mesh: object}>,
  verbose: 0 | 1,
): Promise<string[]> {
  const found: string[] = [];
  const stop = onRun(
    (event) =>
      void (event.type === 'output'
        ? found.push(`${event.stream} ${event.text}`)
        : found.push(event.type)),
  );
  try {
    const data = textCorpus({sequence: 8, samples: 8, seed: 1});
    const {plan} = await trainParallel(
      transformer({layers: 2, hidden: 16, heads: 4, sequence: 8, seed: 1}),
      data,
      {batchSize: 8, devices: ['cpu', 'cpu', 'cpu', 'cpu'], seed: 1, verbose, strategy},
    );
    expect(plan.reason).toMatch(
      strategy.zero === 2 ? /Mind the extra traffic/ : /^((?!extra traffic).)*$/,
    );
  } finally {
    stop();
  }
  return found.filter((line) => !['step', 'epoch'].includes(line));
}

it('zero 2 with several micro-batches in a pipeline warns of its extra traffic, unless the run is to be silent; zero 1 has none', async () => {
  const mesh = {data: 2, pipeline: 2};
  const warning =
    'stderr warning: Mind the extra traffic: with zero 2 gradients are reduced in each of 2 micro-batches, not once per step; zero 1 sends a half of them.';
  expect(await said({mesh, zero: 2, microBatches: 2}, 1)).toEqual(['start', warning, 'end']);
  expect(await said({mesh, zero: 2, microBatches: 2}, 0)).toEqual(['start', 'end']);
  expect(await said({mesh, zero: 1, microBatches: 2}, 1)).toEqual(['start', 'end']);
});
