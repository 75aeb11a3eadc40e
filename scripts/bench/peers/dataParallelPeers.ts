/** Caller side. The systems beside ours in `bench -- data-parallel`, each in processes of its own that stay warm between rounds. */
import {fork, spawn} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {courseRoot} from '../../root';
import {peerPython} from './environment';

export interface Run {
  /** Seconds of each step. */
  steps: number[];
}

export interface Peer {
  system: string;
  workers: number;
  threads: number;
  /** Samples of one step, over all workers. */
  batchSize: number;
  run(): Promise<Run>;
  close(): Promise<void>;
}

/** Plain `model.fit` in one process with `threads` threads. */
export async function fitPeer(model: string, batchSize: number, threads: number, steps: number): Promise<Peer> {
  const environment = {...process.env, TF_NUM_INTRAOP_THREADS: String(threads), TF_NUM_INTEROP_THREADS: '1', OMP_NUM_THREADS: String(threads), TF_CPP_MIN_LOG_LEVEL: '2', CUDA_VISIBLE_DEVICES: '-1'};
  const child = fork(join(__dirname, 'plainFitSteps.js'), [model, String(batchSize), String(steps)], {env: environment, stdio: ['ignore', 'ignore', 'ignore', 'ipc']});
  return {
    system: 'tfjs fit',
    workers: 1,
    threads,
    batchSize,
    run: async () => {
      child.send('run');
      const [message] = (await once(child, 'message')) as [Run];
      return message;
    },
    close: async () => {
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
    },
  };
}

/** PyTorch's DistributedDataParallel over gloo with two one-thread processes, and PyTorch in one process: with one thread, and with both cores. */
export async function torchPeers(model: string, share: number, steps: number): Promise<Peer[]> {
  const python = await peerPython();
  const torch = (system: string, workers: number, threads: number, batchSize: number) => torchPeer(python, {system, model, workers, threads, batchSize, steps});
  return [torch('pytorch DDP (gloo)', 2, 1, 2 * share), torch('pytorch', 1, 1, share), torch('pytorch', 1, 2, 2 * share)];
}

interface TorchPeer {
  system: string;
  model: string;
  workers: number;
  threads: number;
  batchSize: number;
  steps: number;
}

/** A Python process that trains a run for each line that it reads, and answers with its step times as a line of JSON. */
function torchPeer(python: string, {system, model, workers, threads, batchSize, steps}: TorchPeer): Peer {
  const script = join(courseRoot(), 'scripts', 'bench', 'peers', 'torch_data_parallel.py');
  const environment = {...process.env, OMP_NUM_THREADS: String(threads), MKL_NUM_THREADS: String(threads), CUDA_VISIBLE_DEVICES: '-1', GLOO_SOCKET_IFNAME: 'lo'};
  const child = spawn(python, [script, model, String(workers), String(threads), String(batchSize), String(steps)], {env: environment, stdio: ['pipe', 'pipe', 'inherit']});
  const lines = createInterface({input: child.stdout})[Symbol.asyncIterator]();
  return {
    system,
    workers,
    threads,
    batchSize,
    run: async () => {
      child.stdin.write('run\n');
      const {value, done} = await lines.next();
      if (done) throw new Error(`${system} ended before its run was over.`);
      return JSON.parse(value as string) as Run;
    },
    close: async () => {
      const gone = once(child, 'exit');
      child.stdin.end();
      await gone;
    },
  };
}
