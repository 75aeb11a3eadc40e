/**
 * Worker side. The helper thread: reduces gradient buckets while the rank's own thread walks backward. It has no engine.
 */
import {parentPort, workerData} from 'node:worker_threads';
import {createCommunicator} from '../collectives/communicator';
import {adoptArray, joinSharedGroup} from '../collectives/sharedMemory';
import {machineMs, threadCpuSeconds} from '../trace/threadTime';
import {crossError} from '../workers/protocol';
import {CONTROL, GRADIENTS, type FromThread, type LaneSpan, type ThreadData} from './bucketLane';

const IDLE_MS = 200;

async function reduceAll(): Promise<void> {
  const {group, rank, array, buckets, operation, control: words} = workerData as ThreadData;
  const control = new Int32Array(words);
  const transport = joinSharedGroup(group, rank);
  const comm = createCommunicator(transport);
  const flat = adoptArray(transport, array) as Float32Array;
  const spans: LaneSpan[] = [];
  try {
    for (let done = 0; ; done++) {
      while (Atomics.load(control, CONTROL.started) === done && !Atomics.load(control, CONTROL.closing)) {
        Atomics.wait(control, CONTROL.started, done, IDLE_MS);
      }
      if (Atomics.load(control, CONTROL.closing)) break;
      const bucket = done % buckets.length;
      const {start, end} = buckets[bucket];
      const startMs = machineMs();
      const cpu = threadCpuSeconds();
      await comm[operation](flat.subarray(start, end), {label: GRADIENTS});
      const wallSeconds = (machineMs() - startMs) / 1000;
      const after = threadCpuSeconds();
      // Where the system does not tell, the thread counts as busy all the while.
      spans.push({bucket, startMs, wallSeconds, cpuSeconds: cpu === null || after === null ? wallSeconds : after - cpu});
      Atomics.add(control, CONTROL.finished, 1);
      Atomics.notify(control, CONTROL.finished);
    }
    parentPort!.postMessage({type: 'report', report: {ledger: comm.ledger(), spans}} satisfies FromThread);
  } catch (error) {
    parentPort!.postMessage({type: 'failed', error: crossError(error)} satisfies FromThread);
    Atomics.store(control, CONTROL.failed, 1);
    Atomics.notify(control, CONTROL.finished);
  } finally {
    comm.close();
  }
}

void reduceAll();
