/**
 * What a helper thread runs: it executes the ops of one run after another, until its process ends.
 * It has no engine.
 */
import {parentPort, workerData} from 'node:worker_threads';
import {createCommunicator} from '../collectives/communicator';
import {adoptArray, joinSharedGroup} from '../collectives/sharedMemory';
import type {Communicator, Transport} from '../collectives/types';
import {machineMs, threadCpuSeconds} from '../trace/threadTime';
import {crossError} from '../workers/protocol';
import {viewMapped, viewRegion} from '../workers/sharedRegion';
import type {CommSpan} from './commStream';
import {execute, opName, type CommWork} from './commWork';
import {
  CONTROL,
  RING,
  type FromThread,
  type ThreadData,
  type ThreadRun,
  type WorkHandle,
} from './threadProtocol';

const IDLE_MS = 200;
const control = new Int32Array((workerData as ThreadData).control);

function adopt(transport: Transport, handle: WorkHandle): CommWork {
  if (handle.kind === 'reduce')
    return {...handle, flat: adoptArray(transport, handle.flat) as Float32Array};
  const {address, length} = handle.shards;
  return {
    ...handle,
    buffers: handle.buffers.map((buffer) => adoptArray(transport, buffer) as Float32Array),
    shards: new Float32Array(viewMapped(address, 4 * length)),
  };
}

/** Waits until an op after the first `done` is there; false if the stream is closing instead. */
function waitForOp(done: number): boolean {
  while (Atomics.load(control, CONTROL.started) === done) {
    if (Atomics.load(control, CONTROL.closing)) return false;
    Atomics.wait(control, CONTROL.started, done, IDLE_MS);
  }
  return true;
}

/** Executes ops until the stream closes. */
async function executeAll(
  work: CommWork,
  comm: Communicator,
  traced: boolean,
): Promise<CommSpan[]> {
  const spans: CommSpan[] = [];
  for (let done = 0; waitForOp(done); done++) {
    const entry = CONTROL.ring + 2 * (done % RING);
    const [op, step] = [control[entry], control[entry + 1]];
    const startMs = machineMs();
    const cpuBefore = threadCpuSeconds();
    await execute(work, op, comm);
    const wallSeconds = (machineMs() - startMs) / 1000;
    const cpuAfter = threadCpuSeconds();
    // If the system does not report the thread's time, the thread counts as busy for the whole op.
    const cpuSeconds = cpuBefore === null || cpuAfter === null ? wallSeconds : cpuAfter - cpuBefore;
    if (traced) spans.push({name: opName(work, op), step, startMs, wallSeconds, cpuSeconds});
    Atomics.add(control, CONTROL.finished, 1);
    Atomics.notify(control, CONTROL.finished);
  }
  return spans;
}

async function executeRun(run: ThreadRun): Promise<FromThread> {
  const {group, groupAddress, rank, worldRanks, work, traced} = run;
  try {
    const region = viewRegion(group.region, groupAddress);
    const transport = joinSharedGroup(group, rank, worldRanks, region);
    const comm = createCommunicator(transport);
    const spans = await executeAll(adopt(transport, work), comm, traced);
    return {type: 'report', report: {ledger: comm.ledger(), spans}};
  } catch (error) {
    return {type: 'failed', error: crossError(error)};
  }
}

parentPort!.on('message', async (run: ThreadRun) => {
  const answer = await executeRun(run);
  // After its report the thread touches nothing of the run: the rank unmaps the memory.
  parentPort!.postMessage(answer);
  if (answer.type === 'report') return;
  Atomics.store(control, CONTROL.failed, 1);
  Atomics.notify(control, CONTROL.finished);
});
