/**
 * The systems that ours is compared with in `bench -- data-parallel`, each in processes of its own
 * that stay warm between rounds.
 */
import {fork} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {torchPeer, type Peer, type Run} from './torchPeer';

/** Plain `model.fit` in one process with `threads` threads. */
export async function fitPeer(
  model: string,
  batchSize: number,
  threads: number,
  steps: number,
): Promise<Peer> {
  const environment = {
    ...process.env,
    TF_NUM_INTRAOP_THREADS: String(threads),
    TF_NUM_INTEROP_THREADS: '1',
    OMP_NUM_THREADS: String(threads),
    TF_CPP_MIN_LOG_LEVEL: '2',
    CUDA_VISIBLE_DEVICES: '-1',
  };
  const child = fork(
    join(__dirname, 'plainFitSteps.js'),
    [model, String(batchSize), String(steps)],
    {env: environment, stdio: ['ignore', 'ignore', 'ignore', 'ipc']},
  );
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

/**
 * PyTorch's DistributedDataParallel over gloo with two one-thread processes, and PyTorch in one
 * process: with one thread, and with both cores.
 */
export async function torchPeers(model: string, share: number, steps: number): Promise<Peer[]> {
  const torch = (system: string, workers: number, threads: number, batchSize: number) =>
    torchPeer('torch_data_parallel.py', [model, workers, threads, batchSize, steps], {
      system,
      workers,
      threads,
      batchSize,
    });
  return Promise.all([
    torch('pytorch DDP (gloo)', 2, 1, 2 * share),
    torch('pytorch', 1, 1, share),
    torch('pytorch', 1, 2, 2 * share),
  ]);
}
