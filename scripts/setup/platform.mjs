/**
 * Set-up. What this machine offers the engine: a TensorFlow wheel for its platform, an NVIDIA GPU,
 * a C++ compiler.
 */
import {accessSync, constants, existsSync, readdirSync} from 'node:fs';
import {delimiter, isAbsolute, join} from 'node:path';

/**
 * The TensorFlow whose libtensorflow the addon is linked to; and the Python whose wheel is taken
 * (its libraries know nothing of Python).
 */
export const TENSORFLOW = '2.21.0';
export const WHEEL_PYTHON = '3.12';

/**
 * @typedef {object} EngineKind
 * @property {'tensorflow' | 'tensorflow-cpu'} wheel PyPI's name of the wheel
 * @property {boolean} cuda
 * @property {string[]} libraries in the wheel, in linking order
 * @property {number} download bytes
 * @property {number} disk bytes that stay
 * @property {number} largest bytes of the largest wheel
 */

/** The wheel's libraries, on Linux and on macOS. */
const LIBRARIES = {
  linux: ['tensorflow/libtensorflow_cc.so.2', 'tensorflow/libtensorflow_framework.so.2'],
  darwin: ['tensorflow/libtensorflow_cc.2.dylib', 'tensorflow/libtensorflow_framework.2.dylib'],
};

/**
 * Whether this Linux has glibc 2.27 or later, as the wheels want; Alpine and other musl systems
 * have none.
 */
function oldLibc() {
  const report = /** @type {{header?: {glibcVersionRuntime?: string}}} */ (
    process.report.getReport()
  );
  const version = report.header?.glibcVersionRuntime;
  if (!version) return 'a system without glibc';
  const [major, minor] = version.split('.').map(Number);
  return major > 2 || minor >= 27 ? null : `glibc ${version}`;
}

/** Whether an NVIDIA GPU is seen: by its driver's files, so that the answer takes no time. */
export function seesNvidia() {
  if (process.platform !== 'linux') return false;
  try {
    if (readdirSync('/proc/driver/nvidia/gpus').length > 0) return true;
  } catch {
    // No driver there.
  }
  return existsSync('/dev/nvidia0') || existsSync('/usr/lib/wsl/lib/nvidia-smi');
}

/**
 * The engine for a platform; a sentence where TensorFlow has none for it.
 * @param {{platform?: string, arch?: string, nvidia?: boolean, libc?: string | null}} [machine]
 * @returns {EngineKind | string}
 */
export function engineKind({
  platform = process.platform,
  arch = process.arch,
  nvidia = seesNvidia(),
  libc,
} = {}) {
  const where = `${platform}-${arch}`;
  if (where === 'linux-x64' || where === 'linux-arm64') {
    const old = libc === undefined ? oldLibc() : libc;
    if (old) return `TensorFlow ${TENSORFLOW} is not built for ${old}.`;
  }
  if (where === 'linux-x64' && nvidia)
    return {
      wheel: 'tensorflow',
      cuda: true,
      libraries: LIBRARIES.linux,
      download: 573e6 + 2807e6,
      disk: 1260e6 + 4230e6,
      largest: 717e6,
    };
  if (where === 'linux-x64')
    return {
      wheel: 'tensorflow-cpu',
      cuda: false,
      libraries: LIBRARIES.linux,
      download: 274e6,
      disk: 854e6,
      largest: 274e6,
    };
  // For 64-bit Arm there is one wheel, named `tensorflow`, without CUDA.
  if (where === 'linux-arm64')
    return {
      wheel: 'tensorflow',
      cuda: false,
      libraries: LIBRARIES.linux,
      download: 282e6,
      disk: 884e6,
      largest: 282e6,
    };
  if (where === 'darwin-arm64')
    return {
      wheel: 'tensorflow',
      cuda: false,
      libraries: LIBRARIES.darwin,
      download: 224e6,
      disk: 741e6,
      largest: 224e6,
    };
  if (platform === 'win32')
    return `TensorFlow ${TENSORFLOW} has no C library for Windows; inside WSL it has.`;
  return `There is no TensorFlow ${TENSORFLOW} for ${where}.`;
}

/**
 * A program's path on PATH, or null.
 * @param {string} name
 * @param {NodeJS.ProcessEnv} [env]
 */
export function onPath(name, env = process.env) {
  const places = isAbsolute(name)
    ? [name]
    : (env.PATH ?? '')
        .split(delimiter)
        .filter(Boolean)
        .map((folder) => join(folder, name));
  return (
    places.find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    }) ?? null
  );
}

/**
 * The C++ compiler: `CXX`, else c++, g++ or clang++; null where there is none.
 * @param {NodeJS.ProcessEnv} [env]
 */
export function compiler(env = process.env) {
  // macOS has stubs in /usr/bin that only ask to install the real ones.
  if (
    process.platform === 'darwin' &&
    !existsSync('/Library/Developer/CommandLineTools') &&
    !existsSync('/Applications/Xcode.app')
  )
    return null;
  for (const name of [env.CXX, 'c++', 'g++', 'clang++']) {
    const path = name ? onPath(name, env) : null;
    if (path) return path;
  }
  return null;
}
