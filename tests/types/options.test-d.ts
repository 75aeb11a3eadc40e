/**
 * Types of the public names, checked by `tsc -p tests/tsconfig.json`: what options accept and
 * refuse, and what a result has. Nothing here runs. The imports also check the types of each subpath.
 */
import {assertType, expectTypeOf} from 'vitest';
import {
  estimateMemory,
  type Mesh,
  onRun,
  plan,
  schedule,
  spmd,
  type tf,
  train,
  trainParallel,
  type Data,
  type Plan,
  type PlanRow,
  type Strategy,
  type StrategyName,
  type TrainOptions,
  type TrainParallelOptions,
  type TrainResult,
} from 'many-hands';
import {planSpec, simulate, type SpecPlan, type TransformerSpec} from 'many-hands/planner';
import {runRanks, type Algorithm} from 'many-hands/collectives';
import {pipelineSchedule, type ScheduleTimeline} from 'many-hands/schedule';
import {mnist, type Samples} from 'many-hands/data';
import {mlp} from 'many-hands/models';
import {table, type View} from 'many-hands/notebook';
import {answer} from 'many-hands/quiz';
import * as course from 'many-hands/course';

declare const model: tf.LayersModel;
declare const data: Data;
declare const tensor: tf.Tensor;

// What train and trainParallel take and return.
expectTypeOf(train).parameters.toEqualTypeOf<[tf.LayersModel, Data, TrainOptions?]>();
expectTypeOf(trainParallel).parameters.toEqualTypeOf<
  [tf.LayersModel, Data, TrainParallelOptions?]
>();
expectTypeOf(train).returns.resolves.toEqualTypeOf<TrainResult>();
expectTypeOf(trainParallel).returns.resolves.toEqualTypeOf<TrainResult>();

// Options: an unknown name and a wrong value are errors.
assertType<TrainOptions>({epochs: 2, batchSize: 256, validationSplit: 0.1, seed: 1, verbose: 0});
assertType<TrainOptions>({memoryLimit: '256MB', recompute: ['block_1'], trace: 'layers'});
assertType<TrainOptions>({devices: ['cuda:0'], modules: [{module: './loss.mjs', export: 'loss'}]});
assertType<TrainOptions>({yieldEvery: 50, verbose: 2, validationData: [{a: tensor}, tensor]});
assertType<Data>({xs: {left: tensor, right: tensor}, ys: [tensor]});
// @ts-expect-error An unknown option.
assertType<TrainOptions>({epoch: 2});
// @ts-expect-error The options of several devices are not train's.
assertType<TrainOptions>({strategy: 'dataParallel'});
// @ts-expect-error tfjs's own option takes true or false.
assertType<TrainOptions>({shuffle: 'batch'});
// @ts-expect-error There is no such way to compute again.
assertType<TrainOptions>({recompute: 'everything'});
assertType<TrainParallelOptions>({devices: 4, strategy: 'fsdp', bucketBytes: '4MiB'});
// @ts-expect-error A number of devices, or their ids.
assertType<TrainParallelOptions>({devices: 'two'});
// @ts-expect-error There are no checkpoints yet.
assertType<TrainParallelOptions>({checkpoint: 'folder'});

// Strategies: names, objects with a kind, meshes.
expectTypeOf<StrategyName>().toEqualTypeOf<
  'auto' | 'dataParallel' | 'zero1' | 'zero2' | 'fsdp' | 'tensorParallel' | 'pipelineParallel'
>();
assertType<Strategy>({kind: 'pipelineParallel', schedule: '1f1b', microBatches: 8});
assertType<Strategy>({kind: 'pipelineParallel', schedule: schedule('mine', ['F1 B1', 'F1 B1'])});
assertType<Strategy>({kind: 'tensorParallel', layout: {'block_*/up': 'column'}});
assertType<Strategy>({mesh: {data: -1, tensor: 2}, zero: 1});
// @ts-expect-error An unknown strategy.
assertType<Strategy>('modelParallel');
// @ts-expect-error 'auto' takes no fields.
assertType<Strategy>({kind: 'auto'});
// @ts-expect-error An unknown schedule.
assertType<Strategy>({kind: 'pipelineParallel', schedule: 'fastest'});
// @ts-expect-error An unknown rule of a layout.
assertType<Strategy>({kind: 'tensorParallel', layout: {dense: 'diagonal'}});
// @ts-expect-error An unknown axis.
assertType<Strategy>({mesh: {expert: 2}});
// @ts-expect-error ZeRO has stages 0 to 3.
assertType<Strategy>({mesh: {data: 2}, zero: 4});
// A row of plan carries its strategy.
expectTypeOf<PlanRow['strategy']>().toExtend<Strategy>();

// What a result has.
expectTypeOf<TrainResult['history']>().toEqualTypeOf<tf.History>();
expectTypeOf<TrainResult['plan']>().toEqualTypeOf<Plan>();
expectTypeOf<Plan['mesh']>().toEqualTypeOf<Mesh>();
expectTypeOf<TrainResult['samplesPerSecond']>().toBeNumber();
expectTypeOf<TrainResult['memory'][number]['peakBytes']>().toBeNumber();
expectTypeOf<TrainResult['traffic'][number]['sent']>().toBeNumber();
// @ts-expect-error There is no accuracy at the top: it is in history.history.
expectTypeOf<TrainResult['accuracy']>();

// The rest of the root.
expectTypeOf(plan).returns.resolves.toEqualTypeOf<PlanRow[]>();
expectTypeOf(estimateMemory(model, {batchSize: 8}).peakBytes).toBeNumber();
expectTypeOf(spmd(({rank}) => rank, {devices: 2})).resolves.toEqualTypeOf<number[]>();
onRun((event) => {
  if (event.type === 'epoch') expectTypeOf(event.logs).toEqualTypeOf<Record<string, number>>();
});

// A subpath each.
declare const spec: TransformerSpec;
expectTypeOf(planSpec(spec)).toEqualTypeOf<SpecPlan>();
expectTypeOf(simulate).toBeFunction();
expectTypeOf(runRanks).toBeFunction();
assertType<Algorithm>('ring');
expectTypeOf(pipelineSchedule).parameter(0).toExtend<string>();
expectTypeOf<ScheduleTimeline>().toHaveProperty('bubble');
expectTypeOf(mnist()).toEqualTypeOf<{train: Samples; test: Samples}>();
expectTypeOf(mlp()).toExtend<tf.LayersModel>();
assertType<Data>(mnist().train);
expectTypeOf(table).returns.toExtend<View>();
expectTypeOf(course.answer).toEqualTypeOf(answer);
expectTypeOf(course.train).toEqualTypeOf(train);
void data;
