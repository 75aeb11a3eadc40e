/**
 * `spmd(program, options)` runs one program on many ranks, which share a communicator.
 */
import {join} from 'node:path';
import {ManyHandsError, shown} from '../base/errors';
import {anAbortSignal, anything, readOptions, wholeNumber, type OptionTable} from '../base/options';
import {moduleUrl} from '../base/modules';
import {createSharedGroup, type SharedGroup} from '../collectives/sharedMemory';
import {programSource, uncloneable} from '../job/portable';
import {stopOnInterrupt} from './interrupt';
import type {ProgramHandle, SpmdDone, SpmdJob, SpmdProgram} from '../job/spmdProtocol';
import {runDevices} from '../devices/runDevices';
import {machineMs} from '../trace/threadTime';
import {WorkerGroup} from '../workers/group';

const WORKER = join(__dirname, '..', 'rank', 'worker.js');

/** How `spmd` runs its program. */
export interface SpmdOptions<A = unknown> {
  /**
   * The number of devices (the first n GPUs, or n CPU workers if there are fewer GPUs), or a list
   * of device ids. @default 2
   */
  devices?: number | string[];
  /** Threads of each CPU worker's engine. @default 1 if there are several workers */
  threads?: number;
  /**
   * Passed to every rank as `args`: numbers, strings, typed arrays, or lists and objects of them.
   */
  args?: A;
  /** How long a rank waits for other ranks in one operation, in milliseconds. @default 30000 */
  timeoutMs?: number;
  /** Stops the program. */
  signal?: AbortSignal;
}

const OPTIONS: OptionTable<SpmdOptions> = {
  // `runDevices` checks it.
  'devices?': anything,
  'threads?': wholeNumber(1),
  // `uncloneable` checks it.
  'args?': anything,
  'timeoutMs?': wholeNumber(1),
  'signal?': anAbortSignal,
};

function checkArgs(options: SpmdOptions): void {
  const {args} = readOptions('spmd', options, OPTIONS);
  const obstacle = uncloneable(args, 'args');
  if (obstacle)
    throw new ManyHandsError(
      'BAD_OPTION',
      `args holds ${obstacle}, which cannot be copied into another process: pass numbers, strings, typed arrays (await tensor.data()), or lists and objects of them.`,
    );
}

function handleOf(program: unknown): ProgramHandle {
  if (typeof program === 'function') return {source: programSource(program as SpmdProgram)};
  if (typeof program === 'string' || program instanceof URL)
    return {module: moduleUrl(String(program))};
  throw new ManyHandsError(
    'BAD_OPTION',
    `program must be a function, or the URL of a module whose default export is one; it is ${shown(program)}.`,
  );
}

/**
 * Runs `program({rank, size, comm, trace, tf, device, args})` on every device, in one worker
 * process per device (SPMD: single program, multiple data). Returns the values that the ranks
 * returned, by rank. `program` is a function that uses no names from outside itself, or the URL of
 * a module whose default export is the function. The ranks' output is printed here with their rank.
 *
 * Throws BAD_OPTION, DEVICE and MISSING_PACKAGE before a worker starts. Afterwards it throws the
 * error of the rank that failed first: WORKER, TIMEOUT, COLLECTIVE_MISMATCH or ABORTED.
 */
export async function spmd<R, A = unknown>(
  program: SpmdProgram<A, R> | string | URL,
  options: SpmdOptions<A> = {},
): Promise<R[]> {
  checkArgs(options);
  const handle = handleOf(program);
  const devices = runDevices(options.devices ?? 2, options.threads);
  const size = devices.length;
  const interrupt = stopOnInterrupt(options.signal);
  let group: SharedGroup | null = null;
  try {
    group = size > 1 ? createSharedGroup(size, {timeoutMs: options.timeoutMs}) : null;
    const workers = await WorkerGroup.take(
      devices.map(({id, threads}) => ({entry: WORKER, device: id, threads})),
    );
    try {
      const origin = machineMs();
      const jobs = devices.map(
        (device, rank): SpmdJob => ({
          rank,
          size,
          group: group?.handle ?? null,
          program: handle,
          device,
          args: options.args,
          origin,
        }),
      );
      const done = (await workers.run('spmd', jobs, {
        signal: interrupt.signal,
        force: interrupt.force,
        abort: (reason) => group?.abort(reason),
        describe: (rank) => group?.lastCall(rank) ?? null,
        onOutput: (rank, stream, text) =>
          process[stream].write(`[rank ${rank}] ${text.replace(/\n$/, '')}\n`),
      })) as SpmdDone[];
      await workers.retire(done.flatMap(({leftTensors}, rank) => (leftTensors > 0 ? [rank] : [])));
      return done.map(({value}) => value as R);
    } finally {
      await workers.release();
    }
  } finally {
    interrupt.release();
    group?.close();
  }
}
