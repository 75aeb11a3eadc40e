/**
 * A copy of the clone in which compiled files may be broken: tests run there against a mutant.
 */
import {spawn} from 'node:child_process';
import {
  closeSync,
  cpSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import ts from 'typescript';
import {courseRoot} from '../root';
import type {Mutant} from './sites';

const COPIED = ['lib', 'scripts', 'tests', 'notebooks', 'quizzes', 'build/lib', 'build/scripts'];
const FILES = ['package.json', 'tsconfig.json', 'vitest.config.mts'];

/** What became of the tests. */
export type Outcome = 'passed' | 'failed' | 'timeout';

/** The most of vitest's output that is kept, in characters. */
const KEPT_OUTPUT = 4000;

/** One run of tests. */
export interface TestRun {
  outcome: Outcome;
  /** The first test that failed, if vitest named it. */
  failedTest: string | null;
  /** The end of what vitest wrote. */
  output: string;
}

const CONTROL_SEQUENCE = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');

/** Vitest writes ` FAIL  |engine| tests/zero/zero.test.ts > suite > test`. */
const failedTestOf = (output: string): string | null =>
  /^\s*FAIL\s+(.+)$/m.exec(output)?.[1].trim() ?? null;

export class Sandbox {
  readonly folder: string;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'many-hands-mutants-'));
    const root = courseRoot();
    for (const name of [...COPIED, ...FILES])
      cpSync(join(root, name), join(this.folder, name), {recursive: true});
    symlinkSync(join(root, 'node_modules'), join(this.folder, 'node_modules'));
  }

  private compiledOf(file: string): string {
    return join(this.folder, 'build', file.replace(/\.ts$/, '.js'));
  }

  /** Runs the stages of tests with the mutant in place, until the first test fails. */
  async try(mutant: Mutant, stages: readonly string[][], timeoutMs: number): Promise<TestRun> {
    const compiled = this.compiledOf(mutant.file);
    const original = readFileSync(compiled, 'utf8');
    const {outputText} = ts.transpileModule(mutant.text, {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.CommonJS,
        esModuleInterop: true,
      },
    });
    writeFileSync(compiled, outputText);
    try {
      return await this.run(stages, timeoutMs);
    } finally {
      writeFileSync(compiled, original);
    }
  }

  /** Runs the stages of tests until the first test fails; `timeoutMs` is for each stage. */
  async run([tests, ...stages]: readonly string[][], timeoutMs: number): Promise<TestRun> {
    const result = await this.runStage(tests, timeoutMs);
    if (result.outcome !== 'passed' || stages.length === 0) return result;
    return this.run(stages, timeoutMs);
  }

  /** A run that takes too long ends with its workers. */
  private runStage(tests: readonly string[], timeoutMs: number): Promise<TestRun> {
    const vitest = join(this.folder, 'node_modules', 'vitest', 'vitest.mjs');
    const args = [vitest, 'run', '--bail', '1', '--reporter', 'dot', ...tests];
    // A file, because a pipe stays open until the last worker has ended.
    const log = join(this.folder, 'tests.log');
    const file = openSync(log, 'w');
    // A group of its own, so that its workers end with it.
    const child = spawn(process.execPath, args, {
      cwd: this.folder,
      stdio: ['ignore', file, file],
      detached: true,
    });
    closeSync(file);
    return new Promise((resolve) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        process.kill(-child.pid!, 'SIGKILL');
      }, timeoutMs);
      child.on('close', (code) => {
        clearTimeout(timer);
        const output = readFileSync(log, 'utf8').replace(CONTROL_SEQUENCE, '');
        let outcome: Outcome = code === 0 ? 'passed' : 'failed';
        if (late) outcome = 'timeout';
        resolve({outcome, failedTest: failedTestOf(output), output: output.slice(-KEPT_OUTPUT)});
      });
    });
  }

  close(): void {
    rmSync(this.folder, {recursive: true, force: true});
  }
}
