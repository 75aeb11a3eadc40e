/**
 * Prints a failure as a program of its own, which needs nothing but `many-hands`.
 */
import type {Failure} from './check';
import {js, programSource} from './source';
import type {Value} from './program';

/** A self-contained CommonJS program that shows a failure; its last line is FAULT or right. */
export function printFailure({program, run, kind, reference, lines}: Failure): string {
  const {fit, classWeight, validationSamples, sampleWeight, samples} = program;
  const options: Record<string, Value> = {
    ...fit,
    ...(classWeight ? {classWeight} : {}),
    shuffle: false,
    verbose: 0,
  };
  const weights = 'Float32Array.from({length: n}, (_, i) => 0.5 + 0.25 * (i % 4))';
  const extra: Record<string, Value> = {
    ...run.options,
    ...(sampleWeight ? {sampleWeight: {js: weights}} : {}),
    ...(run.strategy === undefined ? {} : {devices: run.devices, strategy: run.strategy}),
    seed: 1,
    threads: 1,
  };
  const shared = sampleWeight
    ? `{sampleWeight: ${weights}, seed: 1, threads: 1}`
    : '{seed: 1, threads: 1}';
  const clip =
    run.options.globalClipNorm === undefined
      ? ''
      : `, globalClipNorm: ${run.options.globalClipNorm}`;
  const referenceCall =
    reference === 'fit'
      ? 'model.fit(single(xs), single(ys), {...options(model), callbacks: [{onBatchEnd: async (_, logs) => void losses.push(logs.loss)}, ...callbacks(model)]})'
      : `train(model, {xs, ys}, {...options(model), ...${shared}${clip}}).then((result) => (losses.push(...result.record.steps.map(({loss}) => loss)), result.history))`;
  const call = run.strategy === undefined ? 'train' : 'trainParallel';
  return `// Seed ${program.seed}, ${run.name}: ${kind}.
${lines.map((line) => `// ${line.replaceAll('\n', ' ')}`).join('\n')}
const {tf, train, trainParallel, closeWorkers} = require('many-hands');
${programSource(program)}
const n = ${samples};
const single = (list) => (list.length === 1 ? list[0] : list);
const options = (model) => {
  const validation = ${validationSamples > 0 ? `data(model, ${validationSamples}, 2000)` : 'null'};
  return {...${js(options)}, callbacks: callbacks(model), ...(validation ? {validationData: [validation.xs, validation.ys]} : {})};
};
const look = async (run) => {
  const model = make();
  const tracked = [...model.weights];
  const {xs, ys} = data(model, n, 1000);
  const losses = [];
  const before = tf.memory().numTensors;
  const history = await run(model, xs, ys, losses);
  const left = tf.memory().numTensors - before;
  return {left, losses, history: history.history, weights: tracked.map((weight) => Array.from(weight.read().dataSync()))};
};
const flat = (value) => (typeof value === 'number' ? [value] : Object.values(value ?? {}).flatMap(flat));
(async () => {
  const expected = await look((model, xs, ys, losses) => ${referenceCall}).catch((error) => ({error: error.message}));
  const came = await look((model, xs, ys, losses) => ${call}(model, {xs, ys}, {...options(model), ...${js(extra)}}).then((result) => (losses.push(...result.record.steps.map(({loss}) => loss)), result.history))).catch((error) => ({error: \`\${error.code}: \${error.message}\`}));
  console.log('expected:', JSON.stringify(expected));
  console.log('came:', JSON.stringify(came));
  const [a, b] = [expected, came].map(({left, ...rest}) => flat(rest.error ? {} : rest));
  const same = a.length === b.length && a.every((value, i) => Object.is(value, b[i]) || Math.abs(value - b[i]) <= 1e-4 * Math.max(1, Math.abs(value)));
  const refused = came.error && /^(BAD_MODEL|BAD_DATA|BAD_OPTION|NOT_YET|BAD_SCHEDULE)/.test(came.error);
  const right = refused || (same && !came.error && !expected.error && !(came.left > expected.left));
  console.log(right ? 'right' : 'FAULT');
  await closeWorkers();
  process.exit(right ? 0 : 1);
})();
`;
}
