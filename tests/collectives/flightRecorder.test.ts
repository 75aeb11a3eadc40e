/** The flight recorder, from which a message about a rank that died or waits takes its last call. */
import {describe, expect, it} from 'vitest';
import {createCommunicator} from '#lib/collectives/communicator.js';
import {createSharedGroup, joinSharedGroup} from '#lib/collectives/sharedMemory/index.js';

describe('the flight recorder', () => {
  it('has every call and message of a rank, with its number and whether it is finished', async () => {
    const group = createSharedGroup(2, {timeoutMs: 50});
    const [first, second] = [0, 1].map((rank) =>
      createCommunicator(joinSharedGroup(group.handle, rank)),
    );
    // A short message fits the channel, so that both ends may be in one thread.
    for (const value of [7, 8]) {
      await first.send(new Float32Array([value]), {to: 1, label: 'activations'});
      const received = new Float32Array(1);
      await second.recv(received, {from: 0, label: 'activations'});
      expect(received).toEqual(new Float32Array([value]));
    }
    // The other rank does not come.
    await expect(first.allReduce(new Int32Array(3), {label: 'gradients'})).rejects.toThrow(
      /for rank 1 \(last seen: recv 'activations' from rank 0 number 1 of 1 float32, finished\)/,
    );
    const words = group
      .flightRecords()
      .flat()
      .map(
        ({rank, operation, label, peer, sequence, length, type, state}) =>
          `${rank} ${operation} ${label} ${peer} #${sequence}: ${length} ${type}, ${state}`,
      );
    expect(words).toEqual([
      '0 send activations 1 #0: 1 float32, finished',
      '0 send activations 1 #1: 1 float32, finished',
      '0 allReduce gradients null #0: 3 int32, started',
      '1 recv activations 0 #0: 1 float32, finished',
      '1 recv activations 0 #1: 1 float32, finished',
    ]);
    first.close();
    second.close();
    group.close();
  });
});
