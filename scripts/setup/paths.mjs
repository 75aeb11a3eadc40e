/**
 * Set-up. Where everything lies in a clone, or in an installed package, and the environment that
 * its Python and its JupyterLab run in.
 */
import {existsSync, readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {basename, dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

/** The folder of the clone or package: the nearest one above this file with a package.json. */
export function rootFolder() {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    if (existsSync(join(at, 'package.json'))) return at;
    if (dirname(at) === at) throw new Error("There is no package.json above set-up's own files.");
  }
}

/**
 * Whether this is the package as npm installed it, and no clone.
 * @param {string} root
 */
export function isPackage(root) {
  return basename(dirname(root)) === 'node_modules';
}

/**
 * The folder of one of npm's packages. In a clone it is known before it is there; npm puts what a
 * package needs next to it, below it, or above.
 * @param {string} root
 * @param {string} name
 */
function packageFolder(root, name) {
  const own = join(root, 'node_modules', name);
  if (!isPackage(root)) return own;
  try {
    return dirname(createRequire(join(root, 'package.json')).resolve(`${name}/package.json`));
  } catch {
    return own; // It was removed: what reads there says so.
  }
}

const windows = process.platform === 'win32';

/**
 * Every path that set-up makes or reads.
 * @param {string} [root]
 */
export function paths(root = rootFolder()) {
  const build = join(root, 'build');
  const venv = join(root, '.venv');
  const engine = join(build, 'engine');
  const tfjsNode = packageFolder(root, '@tensorflow/tfjs-node-gpu');
  return {
    root,
    isPackage: isPackage(root),
    build,
    /** Set-up's own: its lock, its stamps of what lies in `build`, its work folders. */
    setup: join(build, 'setup'),
    modules: join(root, 'node_modules'),
    venv,
    python: pythonIn(venv),
    kernels: join(venv, 'share', 'jupyter', 'kernels'),
    /**
     * What JupyterLab remembers of this clone: its settings, its layout, its trust, its running
     * servers.
     */
    jupyter: join(build, 'jupyter'),
    engine,
    engineJson: join(build, 'engine.json'),
    /** The compiled addon as kept through `npm ci`, and where tfjs-node looks for it. */
    addon: join(engine, 'tfjs_binding.node'),
    tfjsNode,
    nodeHeaders: join(packageFolder(root, 'node-api-headers'), 'include'),
    placedAddon: join(tfjsNode, 'lib', 'napi-v8', 'tfjs_binding.node'),
    requirements: join(root, 'scripts', 'setup', 'requirements.txt'),
    cudaRequirements: join(root, 'scripts', 'setup', 'cuda.txt'),
    unpack: join(root, 'scripts', 'setup', 'unpack.py'),
  };
}

/** @typedef {ReturnType<typeof paths>} Paths */

/**
 * The Python of an environment.
 * @param {string} venv
 */
export function pythonIn(venv) {
  return windows ? join(venv, 'Scripts', 'python.exe') : join(venv, 'bin', 'python');
}

/**
 * The environment of our Python: what a learner has set for other Pythons stays out of it.
 * @param {NodeJS.ProcessEnv} [env]
 */
export function pythonEnvironment(env = process.env) {
  /** @type {NodeJS.ProcessEnv} */
  const own = {
    ...env,
    PYTHONUTF8: '1',
    PYTHONNOUSERSITE: '1',
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    PIP_USER: '0',
  };
  for (const name of [
    'PYTHONHOME',
    'PYTHONPATH',
    'PYTHONSTARTUP',
    'PIP_TARGET',
    'PIP_PREFIX',
    'PIP_REQUIREMENT',
    'PIP_CONSTRAINT',
    'VIRTUAL_ENV',
  ])
    delete own[name];
  return own;
}

/**
 * The environment of our JupyterLab, nbclient and kernels: settings, layout and kernels are this
 * clone's own, so that nothing of the user's other Jupyters breaks it and nothing of ours shadows
 * theirs.
 * @param {Paths} at
 * @param {NodeJS.ProcessEnv} [env]
 */
export function jupyterEnvironment(at, env = process.env) {
  const own = pythonEnvironment(env);
  for (const name of [
    'JUPYTER_PATH',
    'JUPYTER_CONFIG_PATH',
    'JUPYTER_NO_CONFIG',
    'JUPYTERLAB_DIR',
    'JUPYTERLAB_SETTINGS_DIR',
    'JUPYTERLAB_WORKSPACES_DIR',
  ])
    delete own[name];
  return {
    ...own,
    JUPYTER_CONFIG_DIR: join(at.jupyter, 'config'),
    JUPYTER_DATA_DIR: join(at.jupyter, 'data'),
    JUPYTER_RUNTIME_DIR: join(at.jupyter, 'runtime'),
    JUPYTER_PREFER_ENV_PATH: '1',
  };
}

/**
 * The package's own package.json.
 * @param {string} root
 * @returns {{version: string, dependencies: Record<string, string>}}
 */
export function packageJson(root) {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
}
