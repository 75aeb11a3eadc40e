/**
 * The Python environment of the benches' peers: made once, in a folder that git
 * ignores, from pinned packages.
 */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {coursePython, courseRoot} from '../../root';

async function call(command: string, args: string[]): Promise<void> {
  // A bench's standard output is its report.
  const child = spawn(command, args, {stdio: ['ignore', 2, 2]});
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0)
    throw new Error(
      `${command} ${args.join(' ')} ended with ${code}: the benches' peers could not be installed; run without --peers.`,
    );
}

/**
 * The folder of the environment, with everything in requirements.txt installed. PyTorch is some
 * gigabytes, fetched at the first call.
 */
export async function peerEnvironment(): Promise<string> {
  const folder = join(courseRoot(), 'build', 'peers');
  const wanted = join(courseRoot(), 'scripts', 'bench', 'peers', 'requirements.txt');
  const stamp = join(folder, 'installed.txt');
  const text = readFileSync(wanted, 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === text) return folder;
  process.stderr.write('installing the peers (PyTorch and Open MPI: some gigabytes, once) ...\n');
  await call(coursePython(), ['-m', 'venv', folder]);
  await call(join(folder, 'bin', 'python'), [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '-r',
    wanted,
  ]);
  writeFileSync(stamp, text);
  return folder;
}

export async function peerPython(): Promise<string> {
  return join(await peerEnvironment(), 'bin', 'python');
}
