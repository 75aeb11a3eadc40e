/**
 * `spmd(program, options)`: the manual level. One program, many ranks, and a
 * communicator between them.
 */
import {join} from 'node:path';
import {ManyHandsError, shown} from '../base/errors';
import {anything, readOptions, wholeNumber, type OptionTable} from '../base/options';
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
   * How many devices: the first n GPUs, or n CPU workers where there are fewer; or their ids.
   * @default 2
   */
  devices?: number | string[];
  /** Threads of each CPU worker's engine. @default 1 where there are several */
  threads?: number;
  /** What every rank gets as `args`: numbers, strings, typed arrays, lists and objects of them. */
  args?: A;
  /** The longest that a rank waits for another in one operation, in milliseconds. @default 30000 */
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
  'signal?': anything,
};

function check(options: SpmdOptions): void {
  const {args} = readOptions('spmd', options, OPTIONS);
  const why = uncloneable(args, 'args');
  if (why)
    throw new ManyHandsError(
      'BAD_OPTION',
      `args holds ${why}, which cannot be copied into another process: hand over numbers, strings, typed arrays (await tensor.data()), or lists and objects of them.`,
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
 * Runs `program({rank, size, comm, trace, tf, device, args})` on every device, each in a worker
 * process of its own (SPMD: single program, multiple data), and resolves to what each returned, by
 * rank. `program` is a function that uses no outer name, or the URL of a module whose default
 * export it is. What it prints appears here, tagged with its rank. Throws `ManyHandsError`:
 * BAD_OPTION, DEVICE and MISSING_PACKAGE before a worker starts; afterwards the failure of the
 * first rank that failed by itself: WORKER, TIMEOUT (a rank waited in vain), COLLECTIVE_MISMATCH,
 * ABORTED.
 */
export async function spmd<R, A = unknown>(
  program: SpmdProgram<A, R> | string | URL,
  options: SpmdOptions<A> = {},
): Promise<R[]> {
  check(options);
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
