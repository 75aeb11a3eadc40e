/**
 * tfjs-core's own tests pass on the engine of our workers wherever they pass on plain tfjs: faster
 * kernels, faster gradients and the memory meter change nothing that tfjs promises.
 */
import {spawn} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {rolldown} from 'rolldown';
import {engineInfo} from '#lib/devices/engine.js';
import type {OperationRecord} from '#lib/memory/call.js';
import {temporaryFolder} from '../helpers/folders';

interface Spec {
  name: string;
  status: 'passed' | 'failed' | 'pending' | 'excluded';
  /** Of the first failed expectation. */
  message?: string;
}

interface Suite {
  /** Our kernels in the registry of the backend. */
  fastKernels: string[];
  /** What the memory meter saw: operations, and those whose outputs its rules told wrongly. */
  metered: {operations: number; mispredicted: OperationRecord[]};
  results: Spec[];
  failedSuites: string[];
}

/** The suite of tfjs 4.22 has 4,230 specs on TensorFlow's engine. */
const LEAST_SPECS = 4000;
/** They carry out more than 20,000 operations. */
const LEAST_OPERATIONS = 15_000;
const BACKENDS: Array<[string, NodeJS.ProcessEnv]> = [
  ...(engineInfo().name === 'tensorflow'
    ? [['tensorflow', {MANY_HANDS_ENGINE: 'tensorflow'}] as [string, NodeJS.ProcessEnv]]
    : []),
  ['cpu', {MANY_HANDS_ENGINE: 'javascript'}],
];

/** Names that occur several times are numbered: 'x', 'x (2)', ... */
function numbered(results: readonly Spec[]): Spec[] {
  const seen = new Map<string, number>();
  return results.map((spec) => {
    const count = (seen.get(spec.name) ?? 0) + 1;
    seen.set(spec.name, count);
    return count === 1 ? spec : {...spec, name: `${spec.name} (${count})`};
  });
}

const count = (results: readonly Spec[], status: Spec['status']) =>
  results.filter((spec) => spec.status === status).length;

describe("tfjs-core's own tests", () => {
  const folder = temporaryFolder('tfjs-suite');
  const bundle = join(folder, 'tests.cjs');

  beforeAll(async () => {
    const build = await rolldown({
      input: join(__dirname, 'fixtures', 'tfjsTests.mjs'),
      platform: 'node',
      // tfjs-core's package.json says that its tests have no side effects.
      treeshake: false,
      logLevel: 'silent',
    });
    await build.write({file: bundle, format: 'cjs'});
    await build.close();
  });

  /** Runs the suite in a process of its own. */
  function suiteOn(engine: 'plain' | 'worker', backend: string, env: NodeJS.ProcessEnv) {
    const result = join(folder, `${engine}-${backend}.json`);
    const program = join(__dirname, 'fixtures', 'runTfjsSuite.cjs');
    const child = spawn(process.execPath, [program, engine, backend, bundle, result], {
      env: {...process.env, ...env, MANY_HANDS_WORKER: '1'},
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (bytes: Buffer) => (stderr = (stderr + bytes).slice(-10_000)));
    return new Promise<Suite>((resolve, reject) => {
      child.on('close', (code) => {
        if (code !== 0) return reject(new Error(`${engine}, ${backend}: exit ${code}\n${stderr}`));
        const suite = JSON.parse(readFileSync(result, 'utf8')) as Suite;
        resolve({...suite, results: numbered(suite.results)});
      });
    });
  }

  it.each(BACKENDS)(
    "pass on a worker's engine wherever they pass on plain tfjs: %s",
    async (backend, env) => {
      const [plain, worker] = await Promise.all([
        suiteOn('plain', backend, env),
        suiteOn('worker', backend, env),
      ]);
      for (const [name, {results}] of Object.entries({plain, worker}))
        console.log(
          `tfjs-core's tests, ${backend}, ${name}: ${results.length} specs, ` +
            `${count(results, 'passed')} passed, ${count(results, 'failed')} failed, ` +
            `${count(results, 'pending')} pending`,
        );
      // Each process ran what its name says.
      expect(plain.fastKernels).toEqual([]);
      expect(worker.fastKernels.length > 0).toBe(backend === 'tensorflow');
      expect(plain.metered.operations).toBe(0);
      expect(worker.metered.operations).toBeGreaterThan(LEAST_OPERATIONS);

      expect(plain.results.length).toBeGreaterThan(LEAST_SPECS);
      const onPlain = new Map(plain.results.map(({name, status}) => [name, status]));
      expect(
        worker.results.filter(
          ({name, status}) => status === 'failed' && onPlain.get(name) !== 'failed',
        ),
      ).toEqual([]);
      expect(worker.failedSuites.filter((name) => !plain.failedSuites.includes(name))).toEqual([]);
      const names = ({results}: Suite) => results.map(({name}) => name);
      expect(names(worker)).toEqual(names(plain));
      expect(worker.metered.mispredicted).toEqual([]);
    },
    300_000,
  );
});
