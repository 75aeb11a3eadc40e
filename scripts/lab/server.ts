/**
 * The caller's side, scripts only. A JupyterLab for the browser test and for screenshots; what it
 * opens are copies of notebooks.
 */
import {spawn} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {coursePython, courseRoot} from '../root';
import {jupyterEnvironment} from '../notebooks/kernel';
import {endTree} from '../processes';

/** A running JupyterLab. */
export interface Lab {
  /** The address of a notebook below the course's folder. */
  page(file: string): string;
  /** What it and its kernels wrote to their terminal. */
  log(): string;
  stop(): Promise<void>;
}

export interface LabOptions {
  /**
   * The command that starts it, given `--no-browser --port N` and more of JupyterLab's flags;
   * default: JupyterLab itself.
   */
  command?: string[];
  env?: NodeJS.ProcessEnv;
  /** Milliseconds until it must answer. */
  timeoutMs?: number;
}

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = net.createServer().unref();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const {port} = probe.address() as net.AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

/** Draws every cell, also those outside the window: a picture and a check need all of them. */
const settings = {'@jupyterlab/notebook-extension/tracker': {windowingMode: 'none'}};

function writeSettings(folder: string): void {
  for (const [name, value] of Object.entries(settings)) {
    const file = path.join(folder, `${name}.jupyterlab-settings`);
    fs.mkdirSync(path.dirname(file), {recursive: true});
    fs.writeFileSync(file, JSON.stringify(value));
  }
}

/**
 * Starts JupyterLab on the course's folder, with settings and workspaces of its own: the learner's
 * are neither read nor changed.
 */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const root = courseRoot();
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'many-hands-lab-'));
  const token = randomBytes(16).toString('hex');
  const port = await freePort();
  writeSettings(path.join(home, 'settings'));
  const command = options.command ?? [
    coursePython(root),
    '-m',
    'jupyterlab',
    '--allow-root',
    `--ServerApp.root_dir=${root}`,
  ];
  const flags = [
    '--no-browser',
    '--port',
    String(port),
    '--ServerApp.port_retries=0',
    `--IdentityProvider.token=${token}`,
    `--LabApp.user_settings_dir=${path.join(home, 'settings')}`,
    `--LabApp.workspaces_dir=${path.join(home, 'workspaces')}`,
    '--LabApp.expose_app_in_browser=True',
  ];
  const child = spawn(command[0]!, [...command.slice(1), ...flags], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...(await jupyterEnvironment(process.env)),
      JUPYTER_DATA_DIR: path.join(home, 'data'),
      JUPYTER_RUNTIME_DIR: path.join(home, 'runtime'),
      ...options.env,
    },
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => (log = (log + bytes.toString('utf8')).slice(-100_000)));
  let ended = false;
  child.once('exit', () => (ended = true));
  child.once('error', (error) => {
    ended = true;
    log += error.message;
  });
  const stop = async (): Promise<void> => {
    if (child.pid && !ended) await endTree(child.pid);
    fs.rmSync(home, {recursive: true, force: true});
  };
  const address = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + (options.timeoutMs ?? 60_000);
  for (;;) {
    if (ended || Date.now() > deadline) {
      await stop();
      throw new Error(
        `JupyterLab ${ended ? 'ended' : 'did not answer in time'}. What it wrote:\n${log.slice(-4000)}`,
      );
    }
    const answer = await fetch(`${address}/api/status?token=${token}`).catch(() => undefined);
    if (answer?.ok) break;
    await sleep(200);
  }
  const page = (file: string): string =>
    `${address}/lab/tree/${path.relative(root, file).split(path.sep).map(encodeURIComponent).join('/')}?token=${token}&reset`;
  return {page, log: () => log, stop};
}
