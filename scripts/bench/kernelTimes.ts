/**
 * The caller's side, scripts only. What a learner waits for in a kernel of this clone: its start,
 * the import, the first training. Prints seconds as JSON.
 */
import * as path from 'node:path';
import {Kernel} from '../notebooks/kernel';
import {courseRoot} from '../root';

const IMPORT = `import { mlp, mnist, train } from 'many-hands/course';`;
const TRAIN = `
const digits = mnist({train: 6_000, test: 1});
const model = mlp({inputShape: [28, 28, 1], units: [256], optimizer: 'adam', seed: 0});
const done = await train(model, digits.train, {epochs: 1, batchSize: 128, seed: 0, verbose: 0});
`;

export interface KernelTimes {
  start: number;
  import: number;
  training: number;
}

async function measure(): Promise<KernelTimes> {
  const from = performance.now();
  const kernel = await Kernel.start(path.join(courseRoot(), 'notebooks'), process.env);
  const start = (performance.now() - from) / 1000;
  try {
    const seconds: number[] = [];
    for (const [cell, code] of [IMPORT, TRAIN].entries()) {
      const answer = await kernel.execute(cell, code, 300_000);
      if (answer.status !== 'ok')
        throw new Error(`The cell ended with '${answer.status}':\n${code}\n${kernel.terminal}`);
      seconds.push(answer.seconds);
    }
    return {start, import: seconds[0], training: seconds[1]};
  } finally {
    await kernel.stop();
  }
}

measure().then(
  (times) => process.stdout.write(`${JSON.stringify(times)}\n`),
  (error) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
