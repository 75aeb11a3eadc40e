/**
 * The worker's end of the channel: it takes jobs, reports on them, and ends with its caller.
 */
import {ManyHandsError, withCode} from '../base/errors';
import {namedMemory} from './libc';
import {unlinkForeign} from './sharedRegion';
import {crossError, type FromWorker, type ToWorker} from './protocol';

/** What a job can do while it runs. */
export interface JobContext {
  /** Sends news to the caller without waiting. */
  tell(value: unknown): void;
  /**
   * Asks the caller and resolves to the answer; several questions can be open. Rejects with
   * `ABORTED` after an interrupt.
   */
  ask(value: unknown): Promise<unknown>;
  /** Lets messages arrive; rejects with `ABORTED` if the caller has interrupted. */
  checkInterrupt(): Promise<void>;
}

export type Job = (job: unknown, context: JobContext) => Promise<unknown>;

const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

/**
 * Ends this process with its parent. On Linux this works even inside a long operation, during which
 * the process gets no messages.
 */
function dieWithParent(): void {
  process.on('disconnect', () => {
    unlinkForeign();
    process.exit(0);
  });
  // Other systems have no such signal, and named memory must be unlinked first: see `endIfOrphan`.
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
    // Without koffi the process ends at the 'disconnect' event.
  }
  if (!process.connected) process.exit(0);
}

function send(message: FromWorker): void {
  process.send?.(message, () => {});
}

/** Sends a job's result; one that cannot be copied into another process is the job's failure. */
function sendResult(value: unknown): void {
  try {
    send({type: 'done', value});
  } catch (error) {
    send({type: 'failed', error: crossError(withCode(error, 'BAD_OPTION', 'the result'))});
  }
}

const aborted = () =>
  new ManyHandsError(
    'ABORTED',
    'the run was interrupted and its workers have stopped; the model has the weights of the last epoch that ended with a callback, or those from before the run.',
  );

/** Runs jobs by name until the caller closes the channel. */
export function serve(
  jobs: Record<string, Job>,
  ready: {engine: string; gpu: boolean; reason: string | null},
): void {
  dieWithParent();
  // A notebook's interrupt and a terminal's Ctrl-C reach the whole process group; only the caller
  // reacts to them.
  process.on('SIGINT', () => {});
  let interrupted = false;
  let questions = 0;
  const openQuestions = new Map<
    number,
    {resolve(value: unknown): void; reject(error: Error): void}
  >();
  const context: JobContext = {
    tell: (value) => send({type: 'tell', value}),
    ask: (value) =>
      new Promise((resolve, reject) => {
        if (interrupted) return reject(aborted());
        const id = questions++;
        openQuestions.set(id, {resolve, reject});
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
      for (const {reject} of openQuestions.values()) reject(aborted());
      openQuestions.clear();
    } else if (message.type === 'answer') {
      openQuestions.get(message.id)?.resolve(message.value);
      openQuestions.delete(message.id);
    } else {
      interrupted = false;
      jobs[message.name](message.job, context).then(
        (value) => sendResult(value),
        (error: unknown) => send({type: 'failed', error: crossError(error)}),
      );
    }
  });
  send({type: 'ready', ...ready});
}
