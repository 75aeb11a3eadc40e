import {describe, expect, it} from 'vitest';
import {mlp} from '#lib/public/course.js';
import {readGraph} from '#lib/model/graph.js';
import {modelChoices} from '#lib/planner/choices.js';
import {ModelCost} from '#lib/planner/cost.js';
import {TIMED_OPERATIONS} from '#lib/planner/commBenchmark.js';
import type {Machine} from '#lib/planner/machine.js';
import type {StepTimes} from '#lib/planner/stepTimes.js';

describe('the cost of a step', () => {
  it('is known for every mesh where steps were measured alone and on all cores', () => {
    const model = mlp({units: [8, 8, 8], inputShape: [8]});
    const graph = readGraph(model);
    const times = (workers: number, samples: number): StepTimes => ({
      samples,
      workers,
      forward: graph.calls.map(() => samples),
      backward: graph.calls.map(() => 2 * samples),
      loss: samples,
      input: samples,
      update: 1,
      rest: 1,
      slowest: workers > 1 ? 1.25 : 1,
    });
    const operations = [...TIMED_OPERATIONS, 'dispatch', 'barrier'] as const;
    const machine: Machine = {
      device: 'a processor',
      cores: 8,
      memoryBytes: 1e9,
      engine: 'tensorflow',
      links: operations.map((operation) => ({operation, ranks: 2, alpha: 0.1, beta: 1e-6})),
    };
    const measured = [times(1, 32), times(1, 8), times(8, 32), times(8, 4)];
    const cost = new ModelCost(model, graph, machine, measured, 1e-3);
    const choices = modelChoices({model, graph}, 32, 8);
    expect(new Set(choices.map(({mesh}) => mesh.size))).toEqual(new Set([1, 2, 4, 8]));
    for (const choice of choices) {
      const {seconds, parts} = cost.at(choice, 32);
      expect(seconds).toBeGreaterThan(0);
      expect(Math.min(...Object.values(parts))).toBeGreaterThanOrEqual(0);
    }
  });
});
