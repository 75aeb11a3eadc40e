/**
 * Resolves a run: everything that the caller passed is checked once, in a fixed order (options,
 * devices, model, data, division), and becomes one object that `runTraining` executes.
 */
import type * as tf from '@tensorflow/tfjs';
import type {Data, DataModule, ShapedArray} from '../base/arrays';
import {ManyHandsError, withCode} from '../base/errors';
import type {DeviceUse} from '../base/events';
import {sharedMemoryAvailable} from '../collectives/sharedMemory';
import {refuseFitForm} from '../base/callForm';
import {checkOptions, type CheckedOptions} from '../config/checkOptions';
import type {Caller} from '../config/optionTables';
import type {Strategy, TrainOptions, TrainParallelOptions} from '../config/options';
import {strategyName, type Plan, type PlanOrigin} from '../config/plan';
import {readStrategy} from '../config/readStrategy';
import {runDevices} from '../devices/runDevices';
import {checkData, type CheckedData} from '../job/checkData';
import {checkLosses} from '../job/checkLosses';
import {requireLosses} from '../job/givenFunctions';
import {checkBatches} from '../job/checkBatches';
import {checkTokens} from '../job/checkTokens';
import {isModule, readArrays} from '../job/readData';
import {readSampleWeight, sampleWeights} from '../job/sampleWeights';
import {trainedSamples} from '../job/trainedSamples';
import {describeModel, liveModel} from '../model/describe';
import type {ModelDescription} from '../model/description';
import {readGraph, type Graph} from '../model/graph';
import type {LiveModel} from '../model/modelWeights';
import {dataNamesOf} from '../model/tfjsInternals';
import {refuseUntrainable} from '../placement/refuseLayers';
import {checkDraws} from '../placement/checkDraws';
import {resolveDivision} from '../placement/resolveDivision';
import {findDraws} from '../step/findDraws';
import {CallbackList} from './callbacks';
import {checkClassWeight} from './checkClassWeight';

/**
 * How the ranks communicate: each rank is a separate process and they share memory, or all ranks
 * take turns in one process.
 */
export type Transport = 'processes' | 'inProcess';

/** Data that was checked against the model, or a module that every rank opens itself. */
export type ResolvedData = CheckedData | DataModule;

/** A run with nothing left to decide. */
export interface ResolvedRun {
  model: tf.LayersModel;
  description: ModelDescription;
  /** The weights that the description lists, and the optimizer: a callback may change the model. */
  live: LiveModel;
  graph: Graph;
  data: ResolvedData;
  validation: ResolvedData | null;
  sampleWeight: ShapedArray | null;
  options: CheckedOptions;
  /** By rank. */
  devices: DeviceUse[];
  transport: Transport;
  plan: Plan;
  /** For a pipeline: the unread messages that a channel between two stages must hold. */
  room: number;
  /** What a chart calls the strategy. */
  label: string;
}

/** What 'auto' knows when it chooses. */
export type ChoiceContext = Pick<
  ResolvedRun,
  'model' | 'description' | 'graph' | 'options' | 'devices'
>;

/** A chosen strategy; `because` says how it was chosen and begins the plan's reason. */
export interface Choice {
  strategy: Strategy;
  origin: PlanOrigin;
  because: string;
  /** The planner's reason for it. */
  reason?: string;
}

/** What differs between the functions that train. */
interface RunDefaults {
  caller: Caller;
  /** @default 'processes'; 'inProcess' for several ranks if memory cannot be shared */
  transport?: Transport;
  /** Chooses a strategy for 'auto' if there are several ranks in separate processes. */
  choose?(context: ChoiceContext): Promise<Choice>;
}

const NO_SHARED_MEMORY =
  'Processes cannot share memory here (the package koffi does not load: see `npm run doctor`, outside the clone `npx many-hands doctor`)';
const IN_PROCESS =
  'so all ranks take turns in one process: the numbers are the same, nothing is faster, no trace is kept, and memory counts all ranks at once.';

function chooseTransport(wanted: Transport | undefined, devices: DeviceUse[]): Transport {
  if (devices.length === 1) return 'processes';
  const transport = wanted ?? (sharedMemoryAvailable() ? 'processes' : 'inProcess');
  const ids = [...new Set(devices.map(({id}) => id))];
  if (transport === 'inProcess' && ids.length > 1)
    throw new ManyHandsError(
      'DEVICE',
      `devices names ${ids.join(' and ')}, which need separate processes, and processes cannot share memory here: the package koffi does not load. Run \`npm run doctor\` (outside the clone \`npx many-hands doctor\`), or name one device.`,
    );
  return transport;
}

/** Reads and checks data if they are arrays; ranks open a module themselves. Throws BAD_DATA. */
function resolveData(model: tf.LayersModel, graph: Graph, data: Data, what: string): ResolvedData {
  if (isModule(data)) return data;
  const {xs, ys} = readArrays(data, what, dataNamesOf(model));
  const checked = checkData(model, xs, ys, what);
  checkTokens(graph, checked, what);
  return checked;
}

async function chooseStrategy(
  {choose}: RunDefaults,
  transport: Transport,
  context: ChoiceContext,
): Promise<Choice> {
  const {strategy} = context.options;
  if (strategy !== 'auto') return {strategy, origin: 'asked', because: 'as asked'};
  const fallback = (because: string): Choice => ({strategy, origin: 'fallback', because});
  if (context.devices.length === 1)
    return fallback("'auto' had only one device, so there was nothing to choose");
  if (transport === 'inProcess')
    return fallback("'auto' cannot time ranks that share a process, so it took data parallelism");
  if (!choose) return fallback("'auto' has no planner here, so it took data parallelism");
  return choose(context);
}

/**
 * Checks the losses and the weights of samples where the data are here; the ranks do it otherwise.
 * Throws BAD_MODEL and BAD_OPTION.
 */
function checkObjective(
  {model, description, options}: ChoiceContext,
  data: ResolvedData,
  sampleWeight: ShapedArray | null,
  {microBatches, mesh}: Plan,
): void {
  requireLosses(model);
  if ('module' in data) return;
  const weights = sampleWeights(model, data, options.classWeight, sampleWeight);
  const validationSplit = options.validationData ? 0 : options.validationSplit;
  checkLosses(
    model,
    description,
    data,
    weights,
    {...options, validationSplit, microBatches, replicas: mesh.data},
    sampleWeight !== null,
  );
}

const TRAIN_REASON = 'train uses one device, which holds the whole model and sees all the data.';

/** The complete reason of a plan: the division, what the planner says, and the transport. */
function reasonOf(plan: Plan, {caller, transport}: RunDefaults, used: Transport, choice: Choice) {
  if (caller === 'train') return TRAIN_REASON;
  const planner = choice.reason ? ` The plan says: ${choice.reason}` : '';
  const why = transport === 'inProcess' ? 'The run was asked to use one process' : NO_SHARED_MEMORY;
  return `${plan.reason}${planner}${used === 'inProcess' ? ` ${why}, ${IN_PROCESS}` : ''}`;
}

/**
 * Checks everything that a run needs, in this order: options, devices, model, data, division.
 * Throws BAD_OPTION, NOT_YET, DEVICE, BAD_MODEL, BAD_DATA and BAD_SCHEDULE.
 */
export async function resolveRun(...args: Parameters<typeof resolveParts>): Promise<ResolvedRun> {
  try {
    return await resolveParts(...args);
  } catch (error) {
    // A layer or an optimizer of the caller may do anything.
    throw withCode(error, 'BAD_MODEL', `${args[3].caller}: the model cannot be trained`);
  }
}

async function resolveParts(
  model: tf.LayersModel,
  data: Data,
  callerOptions: TrainOptions & TrainParallelOptions,
  defaults: RunDefaults,
): Promise<ResolvedRun> {
  const {caller} = defaults;
  refuseFitForm(caller, data, callerOptions, {takes: 'options', write: '{epochs: 2}'});
  const options = checkOptions(callerOptions, caller);
  const available = runDevices(options.devices, options.threads);
  // A strategy that is wrong for every model is refused before the model is read.
  const asked = (strategy: Strategy) =>
    readStrategy(strategy, {
      devices: available.length,
      microBatches: options.microBatches,
      recompute: options.recompute,
    });
  const named = options.strategy === 'auto' ? null : asked(options.strategy);
  const transport = chooseTransport(
    defaults.transport,
    available.slice(0, named?.mesh.size ?? available.length),
  );
  const description = await describeModel(model, options.modules);
  const live = liveModel(model);
  const graph = readGraph(model);
  refuseUntrainable(graph);
  const resolvedData = resolveData(model, graph, data, 'data');
  checkClassWeight(options.classWeight, dataNamesOf(model).outputs);
  // This call only checks: a wrong callback is refused before a worker starts.
  new CallbackList(options, model);
  const validation =
    options.validationData && resolveData(model, graph, options.validationData, 'validationData');
  const sampleWeight = readSampleWeight(options.sampleWeight);
  if (!isModule(resolvedData) && !validation)
    trainedSamples(resolvedData.samples, options.validationSplit);
  const context = {model, description, graph, options, devices: available};
  const choice = await chooseStrategy(defaults, transport, context);
  const request = named ?? asked(choice.strategy);
  const {origin, because} = choice;
  const {batchSize} = options;
  const {plan, room} = resolveDivision(request, {model, graph, batchSize, origin, because});
  checkObjective(context, resolvedData, sampleWeight, plan);
  // Ranks check the data that they open themselves.
  if (!isModule(resolvedData) && !(validation && isModule(validation)))
    checkBatches(graph, resolvedData, validation, options);
  const found = findDraws(graph);
  checkDraws(found, plan, graph);
  return {
    ...context,
    live,
    description: {...description, draws: found.draws},
    data: resolvedData,
    validation,
    sampleWeight,
    // In-process ranks share one thread, so their timings are meaningless.
    options: transport === 'inProcess' ? {...options, trace: 'none'} : options,
    devices: available.slice(0, plan.mesh.size),
    transport,
    plan: {...plan, reason: reasonOf(plan, defaults, transport, choice)},
    room,
    label: strategyName(plan),
  };
}
