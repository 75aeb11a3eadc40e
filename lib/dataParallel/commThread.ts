/**
 * The helper thread of a lane: carries out collectives while the rank's own thread
 * walks. It has no engine.
 */
import {parentPort, workerData} from 'node:worker_threads';
import {createCommunicator} from '../collectives/communicator';
import {adoptArray, joinSharedGroup} from '../collectives/sharedMemory';
import type {Transport} from '../collectives/types';
import {machineMs, threadCpuSeconds} from '../trace/threadTime';
import {crossError} from '../workers/protocol';
import {
  CONTROL,
  RING,
  type FromThread,
  type CommSpan,
  type ThreadData,
  type WorkHandle,
} from './commStream';
import {execute, opName, type CommWork} from './commWork';

const IDLE_MS = 200;

function adopt(transport: Transport, handle: WorkHandle): CommWork {
  if (handle.kind === 'reduce')
    return {...handle, flat: adoptArray(transport, handle.flat) as Float32Array};
  return {
    ...handle,
    buffers: handle.buffers.map((one) => adoptArray(transport, one) as Float32Array),
  };
}

async function carryOutAll(): Promise<void> {
  const {group, rank, worldRanks, work: handle, control: words} = workerData as ThreadData;
  const control = new Int32Array(words);
  const transport = joinSharedGroup(group, rank, worldRanks);
  const comm = createCommunicator(transport);
  const work = adopt(transport, handle);
  const spans: CommSpan[] = [];
  try {
    for (let done = 0; ; done++) {
      while (
        Atomics.load(control, CONTROL.started) === done &&
        !Atomics.load(control, CONTROL.closing)
      ) {
        Atomics.wait(control, CONTROL.started, done, IDLE_MS);
      }
      if (Atomics.load(control, CONTROL.started) === done) break;
      const at = CONTROL.ring + 2 * (done % RING);
      const [order, step] = [control[at], control[at + 1]];
      const startMs = machineMs();
      const cpu = threadCpuSeconds();
      await execute(work, order, comm);
      const wallSeconds = (machineMs() - startMs) / 1000;
      const after = threadCpuSeconds();
      // Where the system does not tell, the thread counts as busy all the while.
      spans.push({
        name: opName(work, order),
        step,
        startMs,
        wallSeconds,
        cpuSeconds: cpu === null || after === null ? wallSeconds : after - cpu,
      });
      Atomics.add(control, CONTROL.finished, 1);
      Atomics.notify(control, CONTROL.finished);
    }
    parentPort!.postMessage({
      type: 'report',
      report: {ledger: comm.ledger(), spans},
    } satisfies FromThread);
  } catch (error) {
    parentPort!.postMessage({type: 'failed', error: crossError(error)} satisfies FromThread);
    Atomics.store(control, CONTROL.failed, 1);
    Atomics.notify(control, CONTROL.finished);
  } finally {
    comm.close();
  }
}

void carryOutAll();
