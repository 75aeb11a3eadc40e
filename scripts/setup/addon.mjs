/**
 * Set-up. Compiles tfjs-node's addon against libtensorflow, and tries it in a process of its own.
 */
import {readdirSync} from 'node:fs';
import {dirname, join, relative} from 'node:path';
import {ToolFailed, runTool} from './child.mjs';

/** @typedef {import('./steps.mjs').Context} Context */

/** What the addon includes, and these include, of TensorFlow's 13,000 headers. */
export const HEADERS = ['c/', 'core/platform/ctstring']
  .map((path) => `tensorflow/include/tensorflow/${path}`)
  .concat(['tensorflow/include/tsl/platform/ctstring', 'tensorflow/include/xla/tsl/c/']);

/**
 * The compiler's arguments. The libraries are found from where the addon lies (from `placed`, or
 * from the engine's own folder, which will be `home`), so that a clone may be moved.
 * @param {{tfjsNode: string, nodeHeaders: string, engine: string, libraries: string[], out: string,
 * placed: string, home: string, platform?: string}} where
 */
export function compilerArguments({
  tfjsNode,
  nodeHeaders,
  engine,
  libraries,
  out,
  placed,
  home,
  platform = process.platform,
}) {
  const sources = readdirSync(join(tfjsNode, 'binding'))
    .filter((file) => file.endsWith('.cc'))
    .sort();
  const here = platform === 'darwin' ? '@loader_path' : '$ORIGIN';
  return [
    '-std=c++17',
    '-O2',
    '-fPIC',
    ...(platform === 'darwin'
      ? ['-bundle', '-undefined', 'dynamic_lookup', '-mmacosx-version-min=12.0']
      : ['-shared']),
    '-DNAPI_VERSION=8',
    '-DNODE_GYP_MODULE_NAME=tfjs_binding',
    `-I${nodeHeaders}`,
    `-I${join(engine, 'tensorflow', 'include')}`,
    `-I${tfjsNode}`,
    ...sources.map((file) => join(tfjsNode, 'binding', file)),
    '-o',
    out,
    ...libraries.map((library) => join(engine, library)),
    `-Wl,-rpath,${here}/tensorflow`,
    `-Wl,-rpath,${here}/${relative(dirname(placed), join(home, 'tensorflow'))}`,
  ];
}

/**
 * @param {Context['at']} at
 * @param {{cxx: string, engine: string, libraries: string[], out: string}} what
 */
export async function compileAddon(at, {cxx, engine, libraries, out}) {
  const args = compilerArguments({
    tfjsNode: at.tfjsNode,
    nodeHeaders: at.nodeHeaders,
    engine,
    libraries,
    out,
    placed: at.placedAddon,
    home: at.engine,
  });
  await runTool(cxx, args, {cwd: at.root, what: "The TensorFlow engine's addon", folder: at.root});
}

/**
 * Loads the addon in a process of its own and resolves to libtensorflow's version; an engine that
 * this processor cannot run ends that process, not us.
 * @param {string} addon
 * @param {string} cwd
 */
export async function tryAddon(addon, cwd) {
  const program =
    'const {TF_Version} = require(process.argv[1]); process.stdout.write(`version ${TF_Version}`)';
  try {
    const output = await runTool(process.execPath, ['-e', program, addon], {
      cwd,
      what: 'The TensorFlow engine',
    });
    return /version (\S+)/.exec(output)?.[1] ?? 'unknown';
  } catch (error) {
    if (error instanceof ToolFailed && error.end.signal === 'SIGILL') {
      throw new ToolFailed(
        'TensorFlow needs a processor with AVX, and this one has none.',
        error.end,
      );
    }
    throw error;
  }
}
