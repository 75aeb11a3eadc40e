import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import * as manyHands from '#lib/public/course.js';

/**
 * Every public function that takes an options object, called with `options` in its place and with
 * good values elsewhere.
 */
type Call = (options: never) => unknown;
const {tf} = manyHands;
const model = tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [1]})]});
model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
const data = {xs: tf.ones([2, 1]), ys: tf.ones([2, 1])};
const spans = [
  {rank: 0, step: 0, kind: 'forward', name: 'a', start: 0, wallSeconds: 1, cpuSeconds: 1},
] as const;
const sizes = {layers: 1, hidden: 1, heads: 1, vocab: 1, sequence: 1};
const spec = {
  model: sizes,
  machine: {
    devices: 1,
    devicesPerNode: 1,
    memoryBytes: 1e9,
    flopsPerSecond: 1e9,
    nodeBandwidth: 1e9,
    networkBandwidth: 1e9,
  },
  batchSize: 1,
  precision: 'mixed',
} as const;
const oneRank = {ranks: 1, microBatches: 1};
const gpipe = manyHands.pipelineSchedule('gpipe', oneRank);
const [row] = manyHands.planSpec(spec).rows;
const pictures = {values: new Uint8Array(4), shape: [1, 2, 2, 1], scale: 1 / 255};

const calls: Record<string, [known: string, call: Call]> = {
  activationBytes: ['batch', (options) => manyHands.activationBytes(sizes, options)],
  barsFigure: ['bars', manyHands.barsFigure],
  bubbleFormula: ['microBatches', (options) => manyHands.bubbleFormula('gpipe', options)],
  calibrate: ['fresh', manyHands.calibrate],
  convnet: ['filters', manyHands.convnet],
  createInProcessGroup: ['timeoutMs', (options) => manyHands.createInProcessGroup(1, options)],
  decisionCard: ['machine', manyHands.decisionCard],
  drivingFrames: ['framesPerCar', manyHands.drivingFrames],
  drivingModule: ['framesPerCar', manyHands.drivingModule],
  drivingNet: ['filters', manyHands.drivingNet],
  estimateMemory: ['microBatches', (options) => manyHands.estimateMemory(model, options)],
  figure: ['layout', manyHands.figure],
  growthFigure: ['series', manyHands.growthFigure],
  lossFigure: ['stepsAPoint', (options) => manyHands.lossFigure({}, '', options)],
  memoryFigure: ['limit', manyHands.memoryFigure],
  meshDrawing: ['title', (options) => manyHands.meshDrawing(model, 'dataParallel', options)],
  mlp: ['units', manyHands.mlp],
  mnist: ['flat', manyHands.mnist],
  mnistModule: ['flat', manyHands.mnistModule],
  mnistPart: ['flat', manyHands.mnistPart],
  modelStateBytes: ['zero', manyHands.modelStateBytes],
  pictures: ['labels', (options) => manyHands.pictures(pictures, options)],
  pipelineSchedule: ['microBatches', (options) => manyHands.pipelineSchedule('gpipe', options)],
  placements: ['devices', (options) => manyHands.placements(model, 'dataParallel', options)],
  plan: ['samples', (options) => manyHands.plan(model, options)],
  planSpec: ['batchSize', manyHands.planSpec],
  ranksDrawing: [
    'devicesPerNode',
    (options) => manyHands.ranksDrawing({data: 1, tensor: 1, pipeline: 1}, options),
  ],
  runRanks: ['timeoutMs', (options) => manyHands.runRanks(1, async () => 0, options)],
  scheduleDrawing: ['animated', (options) => manyHands.scheduleDrawing(gpipe, options)],
  simulate: ['costs', manyHands.simulate],
  simulateRow: ['ranks', (options) => manyHands.simulateRow(spec, row, options)],
  spmd: ['timeoutMs', (options) => manyHands.spmd(() => 0, options)],
  splitModel: ['stages', (options) => manyHands.splitModel(model, options)],
  table: ['caption', (options) => manyHands.table([], options)],
  textCorpus: ['sequence', manyHands.textCorpus],
  textModule: ['sequence', manyHands.textModule],
  timelineFigure: ['steps', (options) => manyHands.timelineFigure({spans}, options)],
  train: ['batchSize', (options) => manyHands.train(model, data, options)],
  trainParallel: ['bucketBytes', (options) => manyHands.trainParallel(model, data, options)],
  transformer: ['heads', manyHands.transformer],
  transformerParameters: ['layers', manyHands.transformerParameters],
  validatePlan: ['seconds', (options) => manyHands.validatePlan(model, data, [], options)],
};

/** The public functions that take an options object, by the types of their parameters. */
function functionsWithOptions(): string[] {
  const declarations = readdirSync('build/lib', {recursive: true, encoding: 'utf8'})
    .filter((file) => file.endsWith('.d.ts'))
    .map((file) => readFileSync(join('build/lib', file), 'utf8'))
    .join('\n');
  const functions = declarations.matchAll(/export declare function (\w+)[^(]*\(([^]*?)\): /g);
  const takesOptions = /: (?!MeshSizes)\w*(Options|Sizes|Spec)\b|: (Omit|Pick)<\w+(Options|Sizes)/;
  const names = [...functions]
    .filter(([, name, parameters]) => name in manyHands && takesOptions.test(parameters))
    .map(([, name]) => name);
  return [...new Set(names)];
}

async function refusal(call: Call, options: unknown): Promise<unknown> {
  try {
    await call(options as never);
  } catch (error) {
    return error;
  }
  return 'no refusal';
}

describe('options of public functions', () => {
  it('are checked below for every function that takes some', () => {
    expect(Object.keys(calls).sort()).toEqual(functionsWithOptions().sort());
  });

  it.each(Object.entries(calls))(
    '%s refuses an unknown name, null and a number, and names those it knows',
    async (_, [known, call]) => {
      for (const options of [{misspelt: 1}, null, 3]) {
        const error = await refusal(call, options);
        expect(error).toMatchObject({name: 'ManyHandsError', code: 'BAD_OPTION'});
        expect((error as Error).message).toMatch(new RegExp(`\\b${known}\\b`));
      }
    },
  );
});
