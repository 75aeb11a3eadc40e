/**
 * The systems that ours is compared with in `bench -- allreduce`: a fresh set of processes each
 * round, since Open MPI's ranks spin while they wait.
 */
import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {courseRoot} from '../../root';
import {peerEnvironment} from './environment';

/** Seconds of each call on rank 0. */
interface PeerTimes {
  bytes: number;
  seconds: number[];
}

export interface AllreducePeer {
  system: string;
  transport: 'open-mpi' | 'gloo';
  run(bytes: number[]): PeerTimes[];
}

const MOST_BYTES = 64 * 2 ** 20;
/** Open MPI 5.0 was seen to crash once in some 15 runs at 32 MiB; such a run is made again. */
const TRIES = 3;

const source = (name: string) => join(courseRoot(), 'scripts', 'bench', 'peers', name);

function call(command: string, args: string[], env: NodeJS.ProcessEnv): string {
  for (let attempt = 1; ; attempt++) {
    try {
      return execFileSync(command, args, {
        env,
        encoding: 'utf8',
        maxBuffer: MOST_BYTES,
        stdio: ['ignore', 'pipe', 2],
        timeout: 120_000,
      });
    } catch (error) {
      process.stderr.write(`${command} failed, attempt ${attempt} of ${TRIES}\n`);
      if (attempt === TRIES) throw error;
    }
  }
}

/** Compiled anew when its source is newer. */
function compiled(folder: string, env: NodeJS.ProcessEnv): string {
  const program = join(folder, 'many-hands', 'allreduce_mpi');
  const code = source('allreduce_mpi.c');
  if (existsSync(program) && statSync(program).mtimeMs > statSync(code).mtimeMs) return program;
  mkdirSync(join(folder, 'many-hands'), {recursive: true});
  execFileSync(join(folder, 'bin', 'mpicc'), ['-O3', code, '-o', program], {
    env,
    stdio: ['ignore', 2, 2],
  });
  return program;
}

/** Open MPI (in C, by MPI_Allreduce) and gloo (through PyTorch), with a process a rank. */
export async function allreducePeers(ranks: number): Promise<AllreducePeer[]> {
  const folder = await peerEnvironment();
  // Open MPI wants to be asked before it runs for root, as in a container.
  const mpi = {
    ...process.env,
    OPAL_PREFIX: folder,
    OMPI_ALLOW_RUN_AS_ROOT: '1',
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  };
  const gloo = {
    ...process.env,
    OMP_NUM_THREADS: '1',
    CUDA_VISIBLE_DEVICES: '-1',
    GLOO_SOCKET_IFNAME: 'lo',
  };
  const program = compiled(folder, mpi);
  return [
    {
      system: 'open-mpi',
      transport: 'open-mpi',
      run: (bytes) =>
        JSON.parse(
          call(
            join(folder, 'bin', 'mpirun'),
            ['-np', String(ranks), '--map-by', ':OVERSUBSCRIBE', program, ...bytes.map(String)],
            mpi,
          ),
        ) as PeerTimes[],
    },
    {
      system: 'gloo',
      transport: 'gloo',
      run: (bytes) =>
        JSON.parse(
          call(
            join(folder, 'bin', 'python'),
            [source('allreduce_gloo.py'), String(ranks), ...bytes.map(String)],
            gloo,
          ),
        ) as PeerTimes[],
    },
  ];
}
