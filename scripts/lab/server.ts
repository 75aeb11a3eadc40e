/** The caller's side, scripts only. A JupyterLab of our own on a copy of the notebooks: for the browser test and for screenshots. */
import {spawn} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {coursePython, courseRoot} from '../root';
import {endTree} from '../processes';

/** A running JupyterLab: `page(name)` is a notebook's address in it. */
export interface Lab {
  folder: string;
  token: string;
  page(notebook?: string): string;
  log(): string;
  stop(): Promise<void>;
}

export interface LabOptions {
  /** The folder that JupyterLab shows; it and what is in it are written to (JupyterLab saves by itself). */
  folder: string;
  /** The command that starts it, given `--no-browser --port N` and more of JupyterLab's flags; default: JupyterLab itself. */
  command?: string[];
  env?: NodeJS.ProcessEnv;
  /** Milliseconds until it must answer. */
  timeoutMs?: number;
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = net.createServer().unref();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const {port} = probe.address() as net.AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

/** The settings of JupyterLab that a picture needs: every cell drawn, and no questions. */
const settings: Record<string, object> = {
  '@jupyterlab/notebook-extension/tracker': {windowingMode: 'none'},
};
/** Where JupyterLab is started without the course's own `start`, which sets this itself. */
const noNews: Record<string, object> = {
  '@jupyterlab/apputils-extension/notification': {fetchNews: 'false', checkForUpdates: false},
};

function writeSettings(folder: string, all: Record<string, object>): void {
  for (const [name, value] of Object.entries(all)) {
    const file = path.join(folder, `${name}.jupyterlab-settings`);
    fs.mkdirSync(path.dirname(file), {recursive: true});
    fs.writeFileSync(file, JSON.stringify(value));
  }
}

/** Starts JupyterLab with settings, workspaces and runtime files of its own, so that nothing of the user's is read or changed. */
export async function startLab(options: LabOptions): Promise<Lab> {
  const root = courseRoot();
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'many-hands-lab-'));
  const token = randomBytes(16).toString('hex');
  const port = await freePort();
  writeSettings(path.join(home, 'settings'), options.command ? settings : {...settings, ...noNews});
  const command = options.command ?? [coursePython(root), '-m', 'jupyterlab', '--allow-root'];
  const flags = ['--no-browser', '--port', String(port), `--IdentityProvider.token=${token}`, `--ServerApp.root_dir=${options.folder}`,
    '--ServerApp.port_retries=0', '--LabApp.expose_app_in_browser=True'];
  const child = spawn(command[0]!, [...command.slice(1), ...flags], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      JUPYTER_CONFIG_DIR: path.join(home, 'config'),
      JUPYTER_RUNTIME_DIR: path.join(home, 'runtime'),
      JUPYTER_DATA_DIR: path.join(home, 'data'),
      JUPYTERLAB_SETTINGS_DIR: path.join(home, 'settings'),
      JUPYTERLAB_WORKSPACES_DIR: path.join(home, 'workspaces'),
      IPYTHONDIR: path.join(home, 'ipython'),
      ...options.env,
    },
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (log = (log + bytes.toString('utf8')).slice(-100_000)));
  let ended = false;
  child.once('exit', () => (ended = true));
  child.once('error', (error) => { ended = true; log += error.message; });
  const stop = async (): Promise<void> => {
    if (child.pid && !ended) await endTree(child.pid);
    fs.rmSync(home, {recursive: true, force: true});
  };
  const address = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + (options.timeoutMs ?? 60_000);
  for (;;) {
    if (ended || Date.now() > deadline) {
      await stop();
      throw new Error(`JupyterLab ${ended ? 'ended' : 'did not answer in time'}. What it wrote:\n${log.slice(-4000)}`);
    }
    const answer = await fetch(`${address}/api/status?token=${token}`).catch(() => undefined);
    if (answer?.ok) break;
    await sleep(200);
  }
  const page = (notebook?: string): string =>
    `${address}/lab${notebook ? `/tree/${notebook.split('/').map(encodeURIComponent).join('/')}` : ''}?token=${token}&reset`;
  return {folder: options.folder, token, page, log: () => log, stop};
}

/** A copy of notebooks below `build/`, where the packages are found as in the folder itself; what stood there is removed first. */
export function copyNotebooks(files: readonly string[], name: string): string {
  const folder = path.join(courseRoot(), 'build', 'lab', name);
  fs.rmSync(folder, {recursive: true, force: true});
  fs.mkdirSync(folder, {recursive: true});
  for (const file of files) fs.copyFileSync(file, path.join(folder, path.basename(file)));
  return folder;
}
