/**
 * Starting a worker's process: its environment, its output as lines, and its end.
 */
import {GREETING} from '../devices/quietLoad';
import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import type {Readable} from 'node:stream';
import {setTimeout as delay} from 'node:timers/promises';

/** After the exit of a worker, its last output may still arrive for this long. */
const LAST_WORDS_MS = 500;

export interface WorkerOptions {
  /** The compiled module that the process runs. */
  entry: string;
  /** 'cpu' or 'cuda:n'. */
  device: string;
  /** Threads of the engine; 0 leaves the choice to the engine. */
  threads: number;
}

function environment({device, threads}: WorkerOptions): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {...process.env, MANY_HANDS_WORKER: '1'};
  env.CUDA_VISIBLE_DEVICES = device.startsWith('cuda:') ? device.slice('cuda:'.length) : '-1';
  env.TF_FORCE_GPU_ALLOW_GROWTH = 'true';
  env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  if (threads > 0) {
    env.TF_NUM_INTRAOP_THREADS = String(threads);
    env.TF_NUM_INTEROP_THREADS = '1';
    env.OMP_NUM_THREADS = String(threads);
  }
  // Every step frees and allocates buffers of megabytes. glibc keeps them, which saves page faults.
  env.MALLOC_MMAP_THRESHOLD_ ??= String(32 * 2 ** 20);
  env.MALLOC_TRIM_THRESHOLD_ ??= String(512 * 2 ** 20);
  // The flags of a test runner or a debugger are not for the worker.
  delete env.NODE_OPTIONS;
  return env;
}

/** Calls `onLine` for each line of `stream`, except the engine's start messages. */
function eachLine(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (!GREETING.test(line)) onLine(line);
  });
  stream.on('end', () => {
    if (rest && !GREETING.test(rest)) onLine(rest);
    rest = '';
  });
}

/** Starts a worker's process. `exited` resolves after its exit and its last output. */
export function spawnWorker(
  options: WorkerOptions,
  onLine: (stream: 'stdout' | 'stderr', line: string) => void,
): {child: ChildProcess; exited: Promise<void>} {
  const child = spawn(process.execPath, [options.entry], {
    env: environment(options),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
    execArgv: [],
  } as Parameters<typeof spawn>[2]);
  const streams = ['stdout', 'stderr'] as const;
  for (const stream of streams) eachLine(child[stream]!, (line) => onLine(stream, line));
  // The child's 'close' event does not fire if the caller has closed the channel, so its streams
  // are watched instead.
  const heard = Promise.all(streams.map((stream) => once(child[stream]!, 'close')));
  const exited = new Promise<void>((resolve) =>
    child.once(
      'exit',
      () => void Promise.race([heard, delay(LAST_WORDS_MS)]).then(() => resolve()),
    ),
  );
  return {child, exited};
}
