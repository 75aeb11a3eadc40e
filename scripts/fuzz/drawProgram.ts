/**
 * Draws a whole program by its seed.
 */
import {Draw} from './draw';
import {GraphDrawing} from './graph';
import {anyOutput, drawOptimizer} from './objective';
import {
  isRandom,
  layersOf,
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
function drawActions(draw: Draw, graph: GraphSpec): ActionSpec[] {
  if (!draw.chance(0.25)) return [];
  const node = draw.pick(graph.nodes);
  const owner = 'again' in node.what ? node.what.again : node.id;
  const choices = [
    'model.optimizer.learningRate = 0.001;',
    'model.optimizer.learningRate = 0;',
    'if (model.optimizer.setLearningRate) model.optimizer.setLearningRate(0.2);',
    'model.setWeights(model.getWeights().map((weight) => tf.mul(weight, 0.5)));',
    `model.getLayer('${owner}').trainable = false;`,
    `model.getLayer('${owner}').trainable = true;`,
    'model.stopTraining = true;',
  ];
  return draw.several(choices, draw.pick([1, 1, 2])).map((js) => ({
    event: draw.pick(['onEpochBegin', 'onEpochEnd', 'onBatchBegin', 'onBatchEnd'] as const),
    index: draw.integer(0, 1),
    js,
  }));
}

const CALLBACKS = ["tf.callbacks.earlyStopping({monitor: 'loss', patience: 0, minDelta: 0.001})"];

/** The program of a seed, with `count` of the named strategies. */
export function drawProgram(seed: number, strategies: readonly string[], count: number): Program {
  const draw = new Draw(seed, 'program');
  const {graph, objectives} = drawGraph(draw);
  const fixedBatch = layersOf(graph).some(({options}) => options.stateful) || draw.chance(0.03);
  const batchSize = draw.integer(3, 4);
  const samples = fixedBatch ? batchSize * draw.integer(1, 2) : draw.integer(5, 9);
  const names = graph.outputs.map((ref) => ref.split('.')[0]);
  const duplicates = new Set(names).size < names.length;
  const shared = graph.nodes.some(({what}) => 'again' in what);
  const forms: Array<Program['form']> = ['list'];
  if (!duplicates && !shared) forms.push('byName');
  const blocks = draw.chance(0.4);
  const actions = graph.nodes.length > 0 ? drawActions(draw, graph) : [];
  const validation = draw.weighted({none: 5, split: 1.5, data: 1.5});
  const program: Program = {
    seed,
    graph,
    objectives,
    form: objectives.length === 1 ? draw.pick(['first', 'list'] as const) : draw.pick(forms),
    optimizer: drawOptimizer(draw),
    samples,
    fixedBatch,
    blocks,
    fit: {
      batchSize,
      epochs: 2,
      ...(validation === 'split' && !fixedBatch ? {validationSplit: 0.3} : {}),
      ...(draw.chance(0.05) ? {initialEpoch: 1} : {}),
    },
    validationSamples: validation === 'data' ? (fixedBatch ? batchSize : draw.integer(2, 6)) : 0,
    classWeight:
      objectives.length === 1 &&
      ['oneHot', 'classes', 'binary'].includes(objectives[0].target) &&
      draw.chance(0.3)
        ? {0: 0.5, 1: 2, 2: 1.5}
        : null,
    sampleWeight: draw.chance(0.08),
    actions: actions.map((action) => ({
      ...action,
      js: action.js.replace(
        /getLayer\('([^']+)'\)/,
        (_, id: string) =>
          `getLayer('${'nested' in (graph.nodes.find((node) => node.id === id)?.what ?? {}) ? id : layerName(id, blocks)}')`,
      ),
    })),
    callback: draw.chance(0.06) ? draw.pick(CALLBACKS) : null,
    observesBatches: draw.chance(0.5),
    runs: [],
  };
  const layers = graph.nodes
    .filter(({what}) => 'layer' in what)
    .map(({id}) => layerName(id, blocks));
  program.runs = drawRuns(draw, layers.length > 0 ? layers : ['n1'], strategies, count);
  // Without randomness most of the time, so that fit is the reference.
  return isRandom(program) && draw.chance(0.7) ? quiet(program) : program;
}
