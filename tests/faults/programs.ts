/**
 * Programs that train in a process of their own, for faults that end or surround the whole caller.
 */
import {spawn, type ChildProcess} from 'node:child_process';

const source = `const {trainParallel, onRun} = require('#lib/index.js'); const tf = require('@tensorflow/tfjs');
const {FaultLayer} = require(process.env.FIXTURE);
const schedule = JSON.parse(process.env.SCHEDULE);
const model = tf.sequential();
model.add(tf.layers.dense({name: 'first', inputShape: [16], units: 16, kernelInitializer: tf.initializers.glorotUniform({seed: 1})}));
model.add(new FaultLayer({name: 'fault', schedule, ranks: 2, batchSize: 12}));
model.add(tf.layers.dense({name: 'second', units: 3, kernelInitializer: tf.initializers.glorotUniform({seed: 2})}));
model.compile({optimizer: tf.train.momentum(0.05, 0.9), loss: 'meanSquaredError'});
const rows = Number(process.env.ROWS ?? 72);
const data = {xs: {values: Float32Array.from({length: rows * 16}, (_, i) => Math.sin(i)), shape: [rows, 16]}, ys: {values: Float32Array.from({length: rows * 3}, (_, i) => Math.cos(i)), shape: [rows, 3]}};
onRun((event) => event.type === 'step' && event.step === 1 && console.log('STEP'));
trainParallel(model, data, {batchSize: 12, epochs: 3, devices: ['cpu', 'cpu'], strategy: 'dataParallel', shuffle: false, seed: 1, verbose: 0, modules: [process.env.FIXTURE], callbacks: {onEpochEnd() {}}})
  .then(({history}) => console.log('DONE ' + JSON.stringify(history.history.loss)), ({code, message}) => console.log('FAILED ' + JSON.stringify({code, message})));`;

export interface Program {
  child: ChildProcess;
  /** All that it printed so far. */
  out(): string;
  /** Until it printed `text`. */
  says(text: string): Promise<void>;
  ended: Promise<{code: number | null; signal: string | null}>;
}

/** `before`: a command that runs the program as its last argument's words. */
export function program(environment: Record<string, string>, before: string[] = []): Program {
  const command = [...before, process.execPath, '-e', source];
  const child = spawn(command[0], command.slice(1), {
    env: {...process.env, SCHEDULE: '[]', FAULTS_FILE: '', ...environment},
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const ended = new Promise<{code: number | null; signal: string | null}>((resolve) =>
    child.once('close', (code, signal) => resolve({code, signal})),
  );
  return {
    child,
    out: () => text,
    says: async (wanted) => {
      for (let i = 0; i < 600 && !text.includes(wanted); i++)
        await new Promise((resolve) => setTimeout(resolve, 50));
      if (!text.includes(wanted)) throw new Error(`the program did not say '${wanted}': ${text}`);
    },
    ended,
  };
}
