/**
 * A copy of the clone in which compiled files may be broken: tests run there against a mutant.
 */
import {spawn} from 'node:child_process';
import {cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import ts from 'typescript';
import {courseRoot} from '../root';
import type {Mutant} from './sites';

const COPIED = ['lib', 'scripts', 'tests', 'notebooks', 'quizzes', 'build/lib', 'build/scripts'];
const FILES = ['package.json', 'tsconfig.json', 'vitest.config.mts'];

/** What became of the tests. */
export type Outcome = 'passed' | 'failed' | 'timeout';

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

  /** Runs `tests` with the mutant in place, until the first one fails. */
  async try(mutant: Mutant, tests: readonly string[], timeoutMs: number): Promise<Outcome> {
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
      return await this.run(tests, timeoutMs);
    } finally {
      writeFileSync(compiled, original);
    }
  }

  /** Runs `tests` until the first one fails. A run that takes too long ends with its workers. */
  run(tests: readonly string[], timeoutMs: number): Promise<Outcome> {
    const vitest = join(this.folder, 'node_modules', 'vitest', 'vitest.mjs');
    const args = [vitest, 'run', '--bail', '1', '--reporter', 'dot', ...tests];
    // A group of its own, so that its workers end with it.
    const child = spawn(process.execPath, args, {
      cwd: this.folder,
      stdio: 'ignore',
      detached: true,
    });
    return new Promise((resolve) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        process.kill(-child.pid!, 'SIGKILL');
      }, timeoutMs);
      child.on('close', (code) => {
        clearTimeout(timer);
        if (late) resolve('timeout');
        else resolve(code === 0 ? 'passed' : 'failed');
      });
    });
  }

  close(): void {
    rmSync(this.folder, {recursive: true, force: true});
  }
}
