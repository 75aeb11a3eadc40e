/**
 * Draws a whole program by its seed.
 */
import {Draw} from './draw';
import {GraphDrawing} from './graph';
import {anyOutput, drawOptimizer} from './objective';
import {
  isRandom,
  layersOf,
  maybe,
  ownerOf,
  prune,
  quiet,
  type ActionSpec,
  type GraphSpec,
  type ObjectiveSpec,
  type Program,
} from './program';
import {drawRuns} from './runs';
import {layerName} from './source';

function drawGraph(draw: Draw): {graph: GraphSpec; objectives: ObjectiveSpec[]} {
  const drawing = new GraphDrawing(draw, '', 0);
  const chain = draw.chance(0.35);
  const inputs = chain ? 1 : draw.pick([1, 1, 2, 2, 3]);
  for (let i = 0; i < inputs; i++) drawing.drawInput();
  drawing.grow(draw.integer(1, 6), chain);
  const first = drawing.head();
  const outputs = [first.ref];
  const objectives = [first.objective];
  if (!chain && draw.chance(0.25)) {
    const plain = draw.chance(0.3);
    if (!plain) drawing.grow(drawing.nodes.length + draw.integer(1, 2), false);
    const second = plain ? {ref: drawing.anyValue(), objective: anyOutput()} : drawing.head();
    if (!outputs.includes(second.ref)) {
      outputs.push(second.ref);
      objectives.push(second.objective);
    }
  }
  const graph = drawing.finish(outputs, false);
  const isChain =
    outputs.length === 1 &&
    graph.inputs.length === 1 &&
    graph.nodes.every(
      ({what, inputs: refs, states}, i) =>
        !('again' in what) &&
        !states &&
        refs.length === 1 &&
        refs[0] === (i === 0 ? graph.inputs[0].id : graph.nodes[i - 1].id),
    );
  const returnsState = layersOf(graph).some(({options}) => options.returnState);
  const sequential = isChain && graph.nodes.length > 0 && !returnsState && draw.chance(0.7);
  return {graph: sequential ? {...graph, sequential} : prune(graph), objectives};
}

/** What a callback may do to a model while it is trained. */
function drawActions(draw: Draw, graph: GraphSpec, blocks: boolean): ActionSpec[] {
  if (graph.nodes.length === 0 || !draw.chance(0.25)) return [];
  const {id, what} = draw.pick(graph.nodes.filter((node) => !('again' in node.what)));
  const name = 'nested' in what ? id : layerName(id, blocks);
  const choices = [
    'model.optimizer.learningRate = 0.001;',
    'model.optimizer.learningRate = 0;',
    'if (model.optimizer.setLearningRate) model.optimizer.setLearningRate(0.2);',
    'tf.tidy(() => model.setWeights(model.getWeights().map((weight) => tf.mul(weight, 0.5))));',
    `model.getLayer('${name}').trainable = false;`,
    `model.getLayer('${name}').trainable = true;`,
    'model.stopTraining = true;',
  ];
  return draw.several(choices, draw.pick([1, 1, 2])).map((js) => ({
    event: draw.pick(['onEpochBegin', 'onEpochEnd', 'onBatchBegin', 'onBatchEnd'] as const),
    index: draw.integer(0, 1),
    js,
  }));
}

const EARLY_STOPPING =
  "tf.callbacks.earlyStopping({monitor: 'loss', patience: 0, minDelta: 0.001})";

type Form = Program['form'];

/** How compile gets its losses; an output's name must be its own to name a loss by it. */
function drawForm(draw: Draw, graph: GraphSpec): Form {
  if (graph.outputs.length === 1) return draw.pick<Form>(['first', 'list']);
  const names = graph.outputs.map(ownerOf);
  const isShared = graph.nodes.some(({what}) => 'again' in what);
  const isClear = new Set(names).size === names.length && !isShared;
  return isClear ? draw.pick<Form>(['list', 'byName']) : 'list';
}

/** The options of fit, and the numbers of samples. */
function drawFit(draw: Draw, stateful: boolean): Partial<Program> {
  const fixedBatch = stateful || draw.chance(0.03);
  const batchSize = draw.integer(3, 4);
  const validation = draw.weighted({none: 5, split: 1.5, data: 1.5});
  const validationSamples = fixedBatch ? batchSize : draw.integer(2, 6);
  return {
    samples: fixedBatch ? batchSize * draw.integer(1, 2) : draw.integer(5, 9),
    fixedBatch,
    fit: {
      batchSize,
      epochs: 2,
      ...maybe(validation === 'split' && !fixedBatch, {validationSplit: 0.3}),
      ...maybe(draw.chance(0.05), {initialEpoch: 1}),
    },
    validationSamples: validation === 'data' ? validationSamples : 0,
  };
}

const takesClassWeights = (objectives: ObjectiveSpec[]) =>
  objectives.length === 1 && ['oneHot', 'classes', 'binary'].includes(objectives[0].target);

/** The program of a seed, with `count` of the named strategies. */
export function drawProgram(seed: number, strategies: readonly string[], count: number): Program {
  const draw = new Draw(seed, 'program');
  const {graph, objectives} = drawGraph(draw);
  const blocks = draw.chance(0.4);
  const layers = graph.nodes
    .filter(({what}) => 'layer' in what)
    .map(({id}) => layerName(id, blocks));
  const stateful = layersOf(graph).some(({options}) => options.stateful);
  const weighs = takesClassWeights(objectives) && draw.chance(0.3);
  const program = {
    ...{seed, graph, objectives, blocks},
    ...drawFit(draw, stateful),
    form: drawForm(draw, graph),
    optimizer: drawOptimizer(draw),
    classWeight: weighs ? {0: 0.5, 1: 2, 2: 1.5} : null,
    sampleWeight: draw.chance(0.08),
    actions: drawActions(draw, graph, blocks),
    callback: draw.chance(0.06) ? EARLY_STOPPING : null,
    observesBatches: draw.chance(0.5),
    runs: drawRuns(draw, layers, strategies, count),
  } as Program;
  // Without randomness most of the time, so that fit is the reference.
  return isRandom(program) && draw.chance(0.7) ? quiet(program) : program;
}
