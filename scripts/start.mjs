/**
 * `npm start`: JupyterLab, opened at notebook 00, until Ctrl-C. JupyterLab's own flags
 * pass through.
 */
import {spawn} from 'node:child_process';
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {watchAncestors} from './setup/ancestors.mjs';
import {jupyterEnvironment, paths} from './setup/paths.mjs';
import {readStamp} from './setup/stamps.mjs';

const FIRST = 'notebooks/00-many-hands.ipynb';

/**
 * JupyterLab ends itself when our end of its standard input closes: so it never outlives us, not
 * even after kill -9.
 */
const LAB = `
import os, signal, sys, threading

def watch():
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=watch, daemon=True).start()
from jupyterlab.labapp import main
sys.argv[0] = "jupyter-lab"
sys.exit(main())
`;

/**
 * The note that a running Jupyter server writes of itself, once the server answers; null when it
 * ended before.
 * @param {string} file
 * @param {() => boolean} ended
 */
async function ready(file, ended) {
  while (!ended()) {
    const note = readStamp(file);
    if (note) {
      try {
        if ((await fetch(`${note.url}api`, {signal: AbortSignal.timeout(2000)})).ok) return note;
      } catch {
        // It does not answer yet.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return null;
}

/** @param {string[]} flags */
async function main(flags) {
  const at = paths();
  const env = jupyterEnvironment(at);
  mkdirSync(env.JUPYTER_RUNTIME_DIR, {recursive: true, mode: 0o700});
  const own = [
    `--ServerApp.root_dir=${at.root}`,
    `--LabApp.default_url=/lab/tree/${FIRST}`,
    '--log-level=WARN',
    // Jupyter refuses root unless told; in a container one is root.
    ...(process.getuid?.() === 0 ? ['--allow-root'] : []),
  ];
  const engine = readStamp(at.engineJson);
  if (engine?.name === 'javascript') {
    process.stdout.write(
      `JavaScript's own engine runs here, at small sizes. ${engine.reason}${engine.fix ? `\n  To get the TensorFlow engine:  ${engine.fix}` : ''}\n`,
    );
  }
  const lab = spawn(at.python, ['-c', LAB, ...own, ...flags], {
    cwd: at.root,
    env,
    // A process group of its own: Ctrl-C reaches us alone, and JupyterLab is ended without its
    // question.
    detached: process.platform !== 'win32',
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  /** @type {number | null} */
  let code = null;
  /** @type {Promise<number>} */
  const end = new Promise((resolve, reject) => {
    lab.on('error', reject);
    lab.on('close', (status) => resolve((code = status ?? 1)));
  });
  let stopped = false;
  const stop = () => {
    if (!stopped)
      process.stdout.write('\nMany Hands closes: its server and kernels are being ended.\n');
    stopped = true;
    lab.kill('SIGTERM');
  };
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
    process.on(signal, stop);
  const note = await ready(
    join(env.JUPYTER_RUNTIME_DIR, `jpserver-${lab.pid}.json`),
    () => code !== null,
  );
  if (note) {
    const token = note.token ? `?token=${note.token}` : '';
    process.stdout.write(
      `\nMany Hands is open:  ${note.url}lab/tree/${FIRST}${token}\nCtrl-C here ends it.\n\n`,
    );
  }
  process.stdout.on('error', () => {}); // The terminal may be gone before us.
  watchAncestors(stop);
  const status = await end;
  return stopped ? 0 : status;
}

process.exitCode = await main(process.argv.slice(2));
