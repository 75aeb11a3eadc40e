/**
 * The worker's end of the channel: takes jobs, tells of them, and dies with its
 * caller.
 */
import {ManyHandsError} from '../base/errors';
import {namedMemory} from './libc';
import {unlinkForeign} from './sharedRegion';
import {crossError, type FromWorker, type ToWorker} from './protocol';

/** What a job may do while it runs. */
export interface JobContext {
  /** News for the caller; not waited for. */
  tell(value: unknown): void;
  /**
   * A question that the caller answers; several may be open. An interrupt ends it with `ABORTED`.
   */
  ask(value: unknown): Promise<unknown>;
  /** Lets messages in, and throws `ABORTED` once the caller has interrupted. */
  checkInterrupt(): Promise<void>;
}

export type Job = (job: unknown, context: JobContext) => Promise<unknown>;

const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

/**
 * Linux ends this process with its parent, also while it is inside a long operation and hears
 * nothing.
 */
function dieWithParent(): void {
  process.on('disconnect', () => {
    unlinkForeign();
    process.exit(0);
  });
  // Elsewhere, and where memory has names that the system does not clear away, it looks for itself
  // (`endIfOrphan`).
  if (namedMemory()) return;
  try {
    const koffi = require('koffi') as typeof import('koffi', { with: {
      'resolution-mode': 'import',
    }});
    const prctl = koffi
      .load(null)
      .func(
        'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)',
      );
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  } catch {
    // Without koffi the closed channel ends it, as soon as it looks.
  }
  if (!process.connected) process.exit(0);
}

function send(message: FromWorker): void {
  process.send?.(message, () => {});
}

const aborted = () =>
  new ManyHandsError(
    'ABORTED',
    'the run was interrupted and its workers have stopped; the model holds the weights that it was last given, at the end of an epoch with a callback or before the run.',
  );

/** Serves jobs by name until the caller closes the channel. */
export function serve(
  jobs: Record<string, Job>,
  ready: {engine: string; gpu: boolean; reason: string | null},
): void {
  dieWithParent();
  // A notebook's interrupt and a terminal's Ctrl-C reach the whole process group; the caller
  // decides what they mean.
  process.on('SIGINT', () => {});
  let interrupted = false;
  let questions = 0;
  const open = new Map<number, {resolve(value: unknown): void; reject(error: Error): void}>();
  const context: JobContext = {
    tell: (value) => send({type: 'tell', value}),
    ask: (value) =>
      new Promise((resolve, reject) => {
        if (interrupted) return reject(aborted());
        const id = questions++;
        open.set(id, {resolve, reject});
        send({type: 'ask', id, value});
      }),
    checkInterrupt: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      if (interrupted) throw aborted();
    },
  };
  process.on('message', (message: ToWorker) => {
    if (message.type === 'interrupt') {
      interrupted = true;
      for (const {reject} of open.values()) reject(aborted());
      open.clear();
    } else if (message.type === 'answer') {
      open.get(message.id)?.resolve(message.value);
      open.delete(message.id);
    } else {
      interrupted = false;
      jobs[message.name](message.job, context).then(
        (value) => send({type: 'done', value}),
        (error: unknown) => send({type: 'failed', error: crossError(error)}),
      );
    }
  });
  send({type: 'ready', ...ready});
}
