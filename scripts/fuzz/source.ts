/**
 * Writes a program as JavaScript: the model, its first weights, the data and the callbacks. What
 * runs is this text, so a printed program does exactly what failed.
 */
import {
  layerIn,
  maybe,
  type GraphSpec,
  type LayerSpec,
  type NodeSpec,
  type Program,
} from './program';
import {ownerOf, type Ref, type Value} from './program';

/** An option's value as an expression. */
export function js(value: Value): string {
  const layer = layerIn(value);
  if (layer) return layerSource(layer);
  if (Array.isArray(value)) return `[${value.map(js).join(', ')}]`;
  if (typeof value !== 'object' || value === null)
    return typeof value === 'string' ? `'${value}'` : String(value);
  if ('js' in value) return value.js as string;
  const name = (key: string) => (/^\w+$/.test(key) ? key : `'${key}'`);
  return `{${Object.entries(value)
    .map(([key, inner]) => `${name(key)}: ${js(inner)}`)
    .join(', ')}}`;
}

export function layerSource({kind, options}: LayerSpec): string {
  return `tf.layers.${kind}(${js(options)})`;
}

const reference = (ref: Ref) => {
  const [id, output = '0'] = ref.split('.');
  return `${id}[${output}]`;
};

/** Every second node begins a block: 'a/n1', 'a/n2', 'b/n3'. */
export function layerName(id: string, blocks: boolean): string {
  if (!blocks) return id;
  const block = Math.floor((Number(id.replace(/.*\D/, '')) - 1) / 2) % 3;
  return `${'abc'[block]}/${id}`;
}

const named = (layer: LayerSpec, id: string, blocks: boolean): LayerSpec => ({
  ...layer,
  options: {...layer.options, name: layerName(id, blocks)},
});

function argumentOf({inputs, states}: NodeSpec): string {
  const refs = inputs.map(reference);
  const argument = refs.length === 1 ? refs[0] : `[${refs.join(', ')}]`;
  if (!states) return argument;
  return `${argument}, {initialState: [${states.map(reference).join(', ')}]}`;
}

interface GraphContext {
  batch: number | null;
  blocks: boolean;
  name: string;
}

function functionalSource(graph: GraphSpec, context: GraphContext): string[] {
  const lines = graph.inputs.map(({id, shape, dtype}) => {
    const options: Record<string, Value> =
      context.batch === null ? {shape} : {batchShape: [context.batch, ...shape]};
    return `const ${id} = [tf.input(${js({...options, name: id, ...maybe(!!dtype, {dtype: 'int32'})})})];`;
  });
  for (const node of graph.nodes) {
    const {id, what} = node;
    if ('layer' in what)
      lines.push(`layers.${id} = ${layerSource(named(what.layer, id, context.blocks))};`);
    else if ('nested' in what) lines.push(nestedSource(what.nested, {...context, name: id}));
    const owner = 'again' in what ? what.again : id;
    lines.push(`const ${id} = [layers.${owner}.apply(${argumentOf(node)})].flat();`);
  }
  const inputs = graph.inputs.map(({id}) => reference(id)).join(', ');
  const outputs = graph.outputs.map(reference).join(', ');
  return [
    ...lines,
    `const model = tf.model({inputs: [${inputs}], outputs: [${outputs}], name: '${context.name}'});`,
  ];
}

function sequentialSource(graph: GraphSpec, context: GraphContext): string[] {
  const [{shape, dtype}] = graph.inputs;
  const lines = [`const model = tf.sequential({name: '${context.name}'});`];
  graph.nodes.forEach(({id, what}, i) => {
    if ('nested' in what) lines.push(nestedSource(what.nested, {...context, name: id}));
    if ('layer' in what) {
      const layer = named(what.layer, id, context.blocks);
      const size: Record<string, Value> =
        context.batch === null ? {inputShape: shape} : {batchInputShape: [context.batch, ...shape]};
      if (i === 0)
        Object.assign(layer.options, size, dtype ? {inputDType: dtype, dtype: 'float32'} : {});
      lines.push(`layers.${id} = ${layerSource(layer)};`);
    }
    lines.push(`model.add(layers.${id});`);
  });
  return lines;
}

const indented = (lines: string[]) =>
  lines
    .flatMap((line) => line.split('\n'))
    .map((line) => `  ${line}`)
    .join('\n');

function graphSource(graph: GraphSpec, context: GraphContext): string[] {
  return graph.sequential ? sequentialSource(graph, context) : functionalSource(graph, context);
}

function nestedSource(graph: GraphSpec, context: GraphContext): string {
  const body = [...graphSource(graph, context), 'return model;'];
  return `layers.${context.name} = (() => {\n${indented(body)}\n})();`;
}

const frozenNodes = (graph: GraphSpec, when: NodeSpec['frozen']): string[] =>
  graph.nodes.flatMap(({id, what, frozen}) => [
    ...('nested' in what ? frozenNodes(what.nested, when) : []),
    ...(frozen === when ? [`layers.${id}.trainable = false;`] : []),
  ]);

/** The name of the layer behind each output, which names its loss. */
function outputName(program: Program, ref: Ref): string {
  const nodeOf = (id: string) => program.graph.nodes.find((node) => node.id === id);
  const first = nodeOf(ownerOf(ref));
  const node = first && 'again' in first.what ? nodeOf(first.what.again) : first;
  if (!node) return ownerOf(ref);
  return layerName(node.id, program.blocks && 'layer' in node.what);
}

function compileSource(program: Program): string {
  const {graph, objectives, form, optimizer} = program;
  const losses = objectives.map(({loss}) => loss);
  const metrics = objectives.map((objective) => objective.metrics);
  const names = graph.outputs.map((ref) => outputName(program, ref));
  const byName = (values: Value[]): Value =>
    Object.fromEntries(names.map((name, i) => [name, values[i]]));
  const forms = {
    first: () => ({loss: losses[0], metrics: metrics[0]}),
    list: () => ({loss: losses, metrics: byName(metrics)}),
    byName: () => ({loss: byName(losses), metrics: byName(metrics)}),
  };
  const compiled: Record<string, Value> = forms[form]();
  if (metrics.every((list) => list.length === 0)) delete compiled.metrics;
  return `model.compile({optimizer: ${optimizer}, ${js(compiled).slice(1, -1)}});`;
}

const PRELUDE = `/** Random numbers in [0, 1) by seed (mulberry32). */
const stream = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const sizeOf = (shape) => shape.reduce((product, dim) => product * dim, 1);
const tensor = (shape, seed, value, dtype) => {
  const next = stream(seed);
  return tf.tensor(Array.from({length: sizeOf(shape)}, (_, i) => value(next(), i)), shape, dtype);
};
/** Gives every weight its first values; noise changes them by this share. */
const fill = (model, noise) => {
  const wiggle = stream(Math.round(noise * 1e9));
  model.weights.forEach((weight, i) => {
    const value = (u) => {
      if (/variance/.test(weight.originalName)) return 0.5 + u;
      return /gamma/.test(weight.originalName) ? 0.7 + 0.6 * u : 0.8 * u - 0.4;
    };
    const values = tensor(weight.shape, 100 + i, (u) => value(u) * (1 + noise * (wiggle() - 0.5)));
    weight.write(values);
    values.dispose();
  });
};
const TARGETS = {
  real: (shape, seed) => tensor(shape, seed, (u) => 2 * u - 1),
  positive: (shape, seed) => tensor(shape, seed, (u) => 0.2 + u),
  sign: (shape, seed) => tensor(shape, seed, (u) => (u < 0.5 ? -1 : 1)),
  binary: (shape, seed) => tensor(shape, seed, (u) => (u < 0.5 ? 0 : 1)),
  shares: (shape, seed) => tf.tidy(() => tf.softmax(tensor(shape, seed, (u) => u))),
  classes: (shape, seed) =>
    tensor([...shape.slice(0, -1), 1], seed, (u) => Math.floor(u * shape[shape.length - 1])),
  oneHot: (shape, seed) =>
    tf.tidy(() => {
      const classes = shape[shape.length - 1];
      const rows = tensor([sizeOf(shape) / classes], seed, (u) => Math.floor(u * classes), 'int32');
      return tf.cast(tf.reshape(tf.oneHot(rows, classes), shape), 'float32');
    }),
};`;

function inputSource({shape, tokens, dtype, zeros}: GraphSpec['inputs'][number], i: number) {
  const seed = `seed + ${i}`;
  const type = dtype ? `, '${dtype}'` : '';
  if (tokens) return `tensor([n, ${shape}], ${seed}, (u) => Math.floor(u * ${tokens})${type})`;
  const row = shape[shape.length - 1];
  const value = zeros
    ? `(u, i) => (Math.floor(i / ${row}) % 3 === 2 ? 0 : 2 * u - 1)`
    : '(u) => 2 * u - 1';
  return `tensor([n, ${shape}], ${seed}, ${value})`;
}

function dataSource({graph, objectives}: Program): string {
  const targets = objectives.map(
    ({target}, i) =>
      `TARGETS.${target}([n, ...model.outputs[${i}].shape.slice(1)], seed + ${50 + i})`,
  );
  return `const data = (model, n, seed) => ({
  xs: [${graph.inputs.map(inputSource).join(',\n    ')}],
  ys: [${targets.join(',\n    ')}],
});`;
}

function callbacksSource({actions, callback}: Program): string {
  const entries = actions.map(
    ({event, index, js: statement}) =>
      `once('${event}', ${index}, () => {\n      ${statement}\n    })`,
  );
  if (callback) entries.push(callback);
  return `const callbacks = (model) => {
  const once = (event, index, act) => {
    let done = false;
    return {[event]: async (i) => {
      if (i !== index || done) return;
      done = true;
      act();
    }};
  };
  return [${entries.map((entry) => `\n    ${entry},`).join('')}];
};`;
}

/** The functions \`make\`, \`data\` and \`callbacks\` of a program. */
export function programSource(program: Program): string {
  const context = {
    batch: program.fixedBatch ? program.fit.batchSize : null,
    blocks: program.blocks,
    name: 'fuzzed',
  };
  const body = [
    'const layers = {};',
    ...graphSource(program.graph, context),
    ...frozenNodes(program.graph, 'before'),
    compileSource(program),
    ...frozenNodes(program.graph, 'after'),
    'fill(model, noise);',
    'return model;',
  ];
  return `${PRELUDE}
const make = (noise = 0) => {
${indented(body)}
};
${dataSource(program)}
${callbacksSource(program)}`;
}
