/**
 * Proposes simpler forms of a failing program, the boldest first.
 */
import {
  layersWithin,
  ownerOf,
  prune,
  type GraphSpec,
  type LayerSpec,
  type Program,
  type Ref,
  type RunSpec,
} from './program';

export interface Candidate {
  program: Program;
  run: RunSpec;
}

/** A changed copy; null where `change` returns false. */
function changed<T>(value: T, change: (copy: T) => boolean | undefined): T[] {
  const copy = structuredClone(value);
  return change(copy) === false ? [] : [copy];
}

/** Without one node: whoever read its output reads `instead`, one of its inputs. */
function withoutNode(graph: GraphSpec, index: number, instead: Ref): GraphSpec {
  const {id} = graph.nodes[index];
  const nodes = structuredClone(graph.nodes);
  const [removed] = nodes.splice(index, 1);
  // The first of the later applications becomes the owner of the layer.
  const next = nodes.find(({what}) => 'again' in what && what.again === id);
  if (next) next.what = removed.what;
  for (const {what} of nodes)
    if (next && 'again' in what && what.again === id) what.again = next.id;
  const bypass = (ref: Ref) => (ownerOf(ref) === id ? instead : ref);
  for (const node of nodes) {
    node.inputs = node.inputs.map(bypass);
    if (node.states?.some((ref) => ownerOf(ref) === id)) delete node.states;
  }
  return prune({...graph, nodes, outputs: graph.outputs.map(bypass)});
}

function graphs(graph: GraphSpec): GraphSpec[] {
  const last = graph.nodes.length - 1;
  const fewer = graph.nodes.flatMap((_, i) =>
    graph.nodes[last - i].inputs.map((input) => withoutNode(graph, last - i, input)),
  );
  const parts = graph.nodes.flatMap((node, i) => {
    const {what} = node;
    const set = (change: (copy: GraphSpec['nodes'][number]) => void) =>
      changed(graph, (copy) => change(copy.nodes[i]) as undefined);
    return [
      ...(node.frozen ? set((copy) => delete copy.frozen) : []),
      ...(node.states ? set((copy) => delete copy.states) : []),
      ...(node.inputs.length > 2
        ? node.inputs.flatMap((_, j) => set((copy) => copy.inputs.splice(j, 1)))
        : []),
      ...('nested' in what
        ? graphs(what.nested).flatMap((nested) => set((copy) => Object.assign(copy.what, {nested})))
        : []),
      ...('layer' in what
        ? layers(what.layer).flatMap((layer) => set((copy) => Object.assign(copy.what, {layer})))
        : []),
    ];
  });
  const inputs = graph.inputs.flatMap(({zeros}, i) =>
    zeros ? changed(graph, (copy) => delete copy.inputs[i].zeros) : [],
  );
  return [...fewer, ...parts.map(prune), ...inputs];
}

/** A layer with one option less, or a smaller number. */
function layers(layer: LayerSpec): LayerSpec[] {
  return layersWithin(layer).flatMap((_, i) =>
    Object.entries(layersWithin(layer)[i].options).flatMap(([name, value]) => [
      ...changed(layer, (copy) => delete layersWithin(copy)[i].options[name]),
      ...(typeof value === 'number' && value > 1
        ? changed(layer, (copy) => {
            layersWithin(copy)[i].options[name] = value - 1;
            return true;
          })
        : []),
    ]),
  );
}

function simplerObjectives(program: Program): Program[] {
  const {graph, objectives} = program;
  const fewer =
    graph.outputs.length < 2
      ? []
      : graph.outputs.map((_, i) => ({
          ...program,
          form: 'list' as const,
          graph: prune({...graph, outputs: graph.outputs.filter((_, j) => j !== i)}),
          objectives: objectives.filter((_, j) => j !== i),
        }));
  const simpler = objectives.flatMap(({metrics, loss}, i) => [
    ...(metrics.length > 0
      ? changed(program, (copy) => {
          copy.objectives[i].metrics.pop();
          return true;
        })
      : []),
    ...(loss === 'meanSquaredError'
      ? []
      : changed(program, (copy) => {
          copy.objectives[i] = {...copy.objectives[i], loss: 'meanSquaredError', target: 'real'};
          return true;
        })),
  ]);
  return [...fewer, ...simpler];
}

/** Programs with simpler options of fit. */
function options(program: Program): Program[] {
  const {fit, samples} = program;
  const set = (parts: Partial<Program>): Program => ({...structuredClone(program), ...parts});
  return [
    ...(program.actions.length > 0 ? [set({actions: program.actions.slice(1)})] : []),
    ...(program.actions.length > 1 ? [set({actions: program.actions.slice(0, -1)})] : []),
    ...(program.callback ? [set({callback: null})] : []),
    ...(program.classWeight ? [set({classWeight: null})] : []),
    ...(program.sampleWeight ? [set({sampleWeight: false})] : []),
    ...(program.validationSamples > 0 ? [set({validationSamples: 0})] : []),
    ...(fit.validationSplit ? [set({fit: {...fit, validationSplit: 0}})] : []),
    ...(fit.initialEpoch ? [set({fit: {...fit, initialEpoch: 0}})] : []),
    ...(fit.epochs > 1 ? [set({fit: {...fit, epochs: 1, initialEpoch: 0}})] : []),
    ...(samples > fit.batchSize ? [set({samples: fit.batchSize})] : []),
    ...(fit.batchSize > 2
      ? [set({fit: {...fit, batchSize: 2}, samples: Math.min(samples, program.fixedBatch ? 2 : 4)})]
      : []),
    ...(program.observesBatches ? [set({observesBatches: false})] : []),
    ...(program.blocks ? [set({blocks: false})] : []),
    ...(program.fixedBatch ? [set({fixedBatch: false})] : []),
    ...(program.optimizer === 'tf.train.sgd(0.05)' ? [] : [set({optimizer: 'tf.train.sgd(0.05)'})]),
    ...(program.form === 'first' || program.objectives.length > 1 ? [] : [set({form: 'first'})]),
  ];
}

function runs(run: RunSpec): RunSpec[] {
  const fewer = Object.keys(run.options).flatMap((name) =>
    changed(run, (copy) => delete copy.options[name]),
  );
  const {strategy} = run;
  if (strategy === undefined) return fewer;
  const simpler: RunSpec[] = [];
  if (run.devices === 3) simpler.push({...run, devices: 2});
  if (typeof strategy === 'object' && strategy !== null)
    for (const name of Object.keys(strategy))
      if (name !== 'kind' && name !== 'mesh') {
        const rest: Record<string, unknown> = {...strategy};
        delete rest[name];
        simpler.push({...run, strategy: rest as RunSpec['strategy']});
      }
  return [{name: 'train', devices: 1, options: run.options}, ...fewer, ...simpler];
}

/** All single steps towards a simpler program. */
export function simpler({program, run}: Candidate): Candidate[] {
  return [
    ...runs(run).map((simple) => ({program, run: simple})),
    ...options(program).map((simple) => ({program: simple, run})),
    ...simplerObjectives(program).map((simple) => ({program: simple, run})),
    ...graphs(program.graph).map((graph) => ({program: {...program, graph}, run})),
  ];
}
