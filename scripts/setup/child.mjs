/**
 * Set-up. Runs a tool to its end: its words are kept for the report of a failure, its progress is
 * told while it runs.
 */
import {spawn} from 'node:child_process';
import {basename} from 'node:path';
import {command as typed} from './command.mjs';
import {SetupProblem} from './problem.mjs';
import {problemIn} from './problems.mjs';

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();

/** Ends what is still running, when set-up itself is ended. */
export function endChildren() {
  for (const child of running) child.kill('SIGTERM');
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {{cwd: string, env?: NodeJS.ProcessEnv, what: string, folder?: string, tick?: () => void,
 * onLine?: (line: string) => void}} options
 *   `what` is what the tool brings, for sentences; `folder` is where it writes
 * @returns {Promise<string>} what it printed
 */
export function runTool(command, args, {cwd, env = process.env, what, folder = cwd, tick, onLine}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
    });
    running.add(child);
    let output = '';
    /** @param {Buffer} chunk */
    const take = (chunk) => {
      const text = chunk.toString('utf8');
      output = (output + text).slice(-400_000);
      if (onLine) for (const line of text.split(/\r?\n/)) if (line) onLine(line);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const timer = tick ? setInterval(tick, 500) : undefined;
    const settle = () => {
      clearInterval(timer);
      running.delete(child);
    };
    child.on('error', (error) => {
      settle();
      reject(
        new SetupProblem(
          'tool',
          `${what}: '${command}' could not be started (${error.message}).`,
          typed('doctor'),
        ),
      );
    });
    child.on('close', (code, signal) => {
      settle();
      if (code === 0) {
        resolve(output);
        return;
      }
      const known = problemIn(output, {what, folder});
      if (known) {
        reject(known);
        return;
      }
      const last = output.trim().split('\n').slice(-15).join('\n');
      reject(
        new ToolFailed(
          `${what}: ${basename(command)} ended with ${signal ?? `code ${code}`}. Its last words:\n${last}`,
          {code, signal, output},
        ),
      );
    });
  });
}

/** A tool that failed for a reason that we do not know by name. */
export class ToolFailed extends SetupProblem {
  /**
   * @param {string} sentence
   * @param {{code: number | null, signal: string | null, output: string}} end
   */
  constructor(sentence, end) {
    super('tool', sentence, typed('setup'));
    this.end = end;
  }
}
