/**
 * Set-up. Every problem that set-up knows by name; and how a tool's own last words are told apart.
 */
import {command} from './command.mjs';
import {isPackage, rootFolder} from './paths.mjs';
import {SetupProblem} from './problem.mjs';

/** @typedef {import('./problem.mjs').Fix} Fix */

const PYTHONS =
  'Many Hands needs Python 3.10, 3.11, 3.12 or 3.13 for JupyterLab, and to fetch TensorFlow';

export function pythonMissing() {
  return new SetupProblem(
    'python-missing',
    `There is no python3 on this machine's PATH. ${PYTHONS}.`,
    {
      debian: 'sudo apt-get update && sudo apt-get install -y python3 python3-venv',
      fedora: 'sudo dnf install -y python3',
      macos: 'brew install python@3.13',
    },
  );
}

/**
 * @param {string} version
 * @param {string} path
 */
export function pythonTooOld(version, path) {
  return new SetupProblem(
    'python-old',
    `The Python at ${path} is ${version}, which is too old. ${PYTHONS}.`,
    {
      debian:
        'sudo apt-get install -y software-properties-common && sudo add-apt-repository -y ppa:deadsnakes/ppa && sudo apt-get update && sudo apt-get install -y python3.12 python3.12-venv',
      fedora: 'sudo dnf install -y python3.12',
      macos: 'brew install python@3.13',
    },
  );
}

/**
 * @param {string} version
 * @param {string} path
 */
export function pythonTooNew(version, path) {
  return new SetupProblem(
    'python-new',
    `The Python at ${path} is ${version}, which is newer than what we have tried. ${PYTHONS}; it is enough to install another version next to it.`,
    {
      debian:
        'sudo apt-get install -y python3.13 python3.13-venv || (sudo add-apt-repository -y ppa:deadsnakes/ppa && sudo apt-get update && sudo apt-get install -y python3.13 python3.13-venv)',
      fedora: 'sudo dnf install -y python3.13',
      macos: 'brew install python@3.13',
    },
  );
}

/**
 * @param {string} version
 * @param {string} path
 */
export function venvMissing(version, path) {
  const short = version.split('.').slice(0, 2).join('.');
  return new SetupProblem(
    'venv-missing',
    `The Python at ${path} (${version}) comes without its module venv (or ensurepip), so it cannot make an environment of our own.`,
    {
      debian: `sudo apt-get update && sudo apt-get install -y python3-venv python${short}-venv`,
      fedora: 'sudo dnf install -y python3 python3-libs python3-pip',
      macos: 'brew install python@3.13',
    },
  );
}

export function compilerMissing() {
  return new SetupProblem(
    'compiler-missing',
    'There is no C++ compiler (g++ or clang++), which the TensorFlow engine needs once for 10 seconds.',
    {
      debian: `sudo apt-get update && sudo apt-get install -y g++ && ${command('setup')}`,
      fedora: `sudo dnf install -y gcc-c++ && ${command('setup')}`,
      macos: `xcode-select --install && ${command('setup')}`,
    },
  );
}

/** @param {number} bytes */
const size = (bytes) =>
  bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.ceil(bytes / 1e6)} MB`;

/**
 * @param {string} folder
 * @param {number | null} needed bytes
 * @param {number | null} free bytes
 */
export function diskFull(folder, needed, free) {
  const figures =
    needed === null || free === null
      ? 'is full'
      : `has ${size(free)} free, and set-up needs ${size(needed)} there`;
  return new SetupProblem(
    'disk-full',
    `The disk of ${folder} ${figures}. What set-up had finished stays; the rest is done again by the next one.`,
    {
      debian: 'sudo apt-get clean; npm cache clean --force; python3 -m pip cache purge; df -h .',
      fedora: 'sudo dnf clean all; npm cache clean --force; python3 -m pip cache purge; df -h .',
      macos: 'brew cleanup; npm cache clean --force; python3 -m pip cache purge; df -h .',
    },
  );
}

/** @param {string} what */
function noNetwork(what) {
  return new SetupProblem(
    'no-network',
    `${what} could not be downloaded: the package registry does not answer. Behind a proxy, say so first (export HTTPS_PROXY=...); without a network, take a folder that a clone on another machine filled with: npm run setup -- --save-to FOLDER`,
    command('setup', '--from FOLDER'),
  );
}

/** @param {string} what */
function badCertificate(what) {
  return new SetupProblem(
    'certificate',
    `${what} could not be downloaded: this network puts its own certificate before the package registry's, and npm or pip does not know it.`,
    `export NODE_EXTRA_CA_CERTS=CERTIFICATE.pem PIP_CERT=CERTIFICATE.pem && ${command('setup')}`,
  );
}

/** @param {string} folder */
export function readOnly(folder) {
  if (isPackage(rootFolder())) {
    return new SetupProblem(
      'read-only',
      `Set-up may not write in ${folder}, and everything it makes belongs there. Install the package in a folder of your own.`,
      'mkdir -p ~/my-training && cd ~/my-training && npm install --ignore-scripts many-hands-VERSION.tgz',
    );
  }
  const copy = `cp -R '${folder.replaceAll("'", "'\\''")}' ~/many-hands && cd ~/many-hands && npm start`;
  return new SetupProblem(
    'read-only',
    `Set-up may not write in ${folder}, and everything it makes belongs there. Work in a copy of your own.`,
    copy,
  );
}

/**
 * The problem behind what npm, pip or the compiler printed last; null where it is none that we
 * know.
 * @param {string} output
 * @param {{what: string, folder: string}} where
 */
export function problemIn(output, {what, folder}) {
  if (/ENOSPC|No space left on device|Disk quota exceeded/i.test(output))
    return diskFull(folder, null, null);
  if (/EROFS|Read-only file system/i.test(output)) return readOnly(folder);
  if (
    /SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET)_|CERT_HAS_EXPIRED|certificate verify failed/i.test(
      output,
    )
  )
    return badCertificate(what);
  if (
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|NewConnectionError|Failed to establish a new connection|name resolution|Name or service not known|nodename nor servname|Connect(ion)?TimeoutError|ReadTimeoutError|Connection refused|ProxyError|Max retries exceeded/i.test(
      output,
    )
  )
    return noNetwork(what);
  return null;
}

/**
 * The problem behind an error of the file system; null where it is another error.
 * @param {unknown} error
 * @param {string} folder
 */
export function problemOfError(error, folder) {
  const code = /** @type {{code?: string} | null} */ (error)?.code;
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull(folder, null, null);
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') return readOnly(folder);
  return null;
}
