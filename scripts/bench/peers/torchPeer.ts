/** PyTorch for comparison in a bench: a process that stays warm between rounds. */
import {spawn} from 'node:child_process';
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

/**
 * A Python process that runs `script`, trains a run for each line that it reads, and answers with
 * its step times as a line of JSON.
 */
export async function torchPeer(
  script: string,
  args: Array<string | number>,
  what: Pick<Peer, 'system' | 'workers' | 'threads' | 'batchSize'>,
): Promise<Peer> {
  const path = join(courseRoot(), 'scripts', 'bench', 'peers', script);
  const threads = String(what.threads);
  const environment = {
    ...process.env,
    OMP_NUM_THREADS: threads,
    MKL_NUM_THREADS: threads,
    CUDA_VISIBLE_DEVICES: '-1',
    GLOO_SOCKET_IFNAME: 'lo',
  };
  const child = spawn(await peerPython(), [path, ...args.map(String)], {
    env: environment,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({input: child.stdout})[Symbol.asyncIterator]();
  return {
    ...what,
    run: async () => {
      child.stdin.write('run\n');
      const {value, done} = await lines.next();
      if (done) throw new Error(`${what.system} ended before its run was over.`);
      return JSON.parse(value as string) as Run;
    },
    close: async () => {
      const gone = once(child, 'exit');
      child.stdin.end();
      await gone;
    },
  };
}
