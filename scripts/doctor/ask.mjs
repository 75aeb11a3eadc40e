/** How the doctor asks another program: its output, or why there is none. */
import {execFile} from 'node:child_process';

/**
 * Resolves to what the program printed, or to the first words of its failure.
 * @param {string} command
 * @param {string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv}} [options]
 * @returns {Promise<{output: string | null, failure: string}>}
 */
export function ask(command, args, options = {}) {
  return new Promise((resolve) => {
    execFile(
      command,
      args,
      {...options, timeout: 60_000, maxBuffer: 1 << 24, windowsHide: true},
      (error, stdout, stderr) => {
        if (!error) resolve({output: stdout.trim(), failure: ''});
        else
          resolve({
            output: null,
            failure: error.signal
              ? `it was ended by ${error.signal}`
              : stderr.trim().split('\n').at(-1) || error.message.split('\n')[0],
          });
      },
    );
  });
}
