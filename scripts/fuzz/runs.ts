/**
 * Draws the runs that are compared: `train` and the strategies with their options.
 */
import {SCHEDULE_NAMES} from '../../lib/pipelineParallel/namedSchedules';
import type {Draw} from './draw';
import type {RunSpec, Value} from './program';

type Options = Record<string, Value>;

const microBatches = (draw: Draw, probability: number): Options =>
  draw.chance(probability) ? {microBatches: draw.integer(2, 3)} : {};
const recompute = (draw: Draw, layers: string[]): Options => {
  if (layers.length === 0 || !draw.chance(0.3)) return {};
  const blocks = layers.length > 2 && layers[0].includes('/');
  return {
    recompute:
      blocks && draw.chance(0.5) ? 'block' : draw.several(layers, draw.integer(1, layers.length)),
  };
};
const small = (draw: Draw): Options => (draw.chance(0.4) ? {bucketBytes: 16} : {});
const clip = (draw: Draw): Options => (draw.chance(0.1) ? {globalClipNorm: 0.05} : {});

function mesh(draw: Draw): {name: string; strategy: Value} {
  const [first, second] = draw.several(['data', 'tensor', 'pipeline'], 2);
  const axes = {[first]: 2, [second]: 2};
  const hasData = 'data' in axes;
  return {
    name: 'mesh',
    strategy: {
      mesh: axes,
      ...(hasData && draw.chance(0.6) ? {zero: draw.integer(1, 3)} : {}),
      ...('pipeline' in axes ? {microBatches: draw.integer(1, 3)} : {}),
      ...('tensor' in axes && draw.chance(0.3) ? {sequenceParallel: true} : {}),
    },
  };
}

const MAKERS: Record<string, (draw: Draw, layers: string[]) => Omit<RunSpec, 'name' | 'devices'>> =
  {
    dataParallel: (draw, layers) => ({
      strategy: 'dataParallel',
      options: {
        ...microBatches(draw, 0.3),
        ...small(draw),
        ...clip(draw),
        ...recompute(draw, layers),
      },
    }),
    zero1: (draw) => ({
      strategy: 'zero1',
      options: {...microBatches(draw, 0.3), ...small(draw), ...clip(draw)},
    }),
    zero2: (draw) => ({
      strategy: 'zero2',
      options: {...microBatches(draw, 0.3), ...small(draw), ...clip(draw)},
    }),
    fsdp: (draw, layers) => ({
      strategy: 'fsdp',
      options: {...microBatches(draw, 0.3), ...clip(draw), ...recompute(draw, layers)},
    }),
    pipelineParallel: (draw) => ({
      strategy: {
        kind: 'pipelineParallel',
        schedule: draw.pick(SCHEDULE_NAMES),
        microBatches: draw.integer(1, 3),
        ...(draw.chance(0.2) ? {recompute: 'stage'} : {}),
      },
      options: clip(draw),
    }),
    tensorParallel: (draw, layers) => ({
      strategy: draw.chance(0.4)
        ? {kind: 'tensorParallel', sequenceParallel: true}
        : 'tensorParallel',
      options: {...microBatches(draw, 0.2), ...clip(draw), ...recompute(draw, layers)},
    }),
  };

/** The names of all strategies that are drawn. */
export const STRATEGIES = [...Object.keys(MAKERS), 'mesh'];

/** `train`, `train` with micro-batches or recompute, and `count` strategies. */
export function drawRuns(
  draw: Draw,
  layers: string[],
  strategies: readonly string[],
  count: number,
): RunSpec[] {
  const runs: RunSpec[] = [{name: 'train', devices: 1, options: {}}];
  const second = {...microBatches(draw, 0.6), ...clip(draw), ...recompute(draw, layers)};
  if (Object.keys(second).length > 0) runs.push({name: 'train', devices: 1, options: second});
  for (const name of draw.several(strategies, count)) {
    if (name === 'mesh') runs.push({...mesh(draw), devices: 4, options: {}});
    else runs.push({name, devices: draw.pick([2, 2, 3]), ...MAKERS[name](draw, layers)});
  }
  return runs;
}
