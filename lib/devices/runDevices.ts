/**
 * The devices of a run, and the threads of each worker.
 */
import type {DeviceUse} from '../base/events';
import {ManyHandsError, shown} from '../base/errors';
import {chooseDevices, type Device} from './devices';
import {engineInfo} from './engine';

// With more workers per core, the workers only wait for each other.
const MOST_PER_CORE = 4;
const LEAST_LIMIT = 16;

function refuseCrowd(devices: Device[]): void {
  const cpus = devices.filter((device) => device.kind === 'cpu');
  const most = Math.max(LEAST_LIMIT, MOST_PER_CORE * (cpus[0]?.threads ?? 0));
  if (cpus.length > most) {
    throw new ManyHandsError(
      'DEVICE',
      `devices asks for ${cpus.length} CPU workers on ${cpus[0].threads} cores; at most ${most} make sense here. Each is a process with an engine and a copy of the model: ask for ${cpus[0].threads}.`,
    );
  }
}

/**
 * The devices for a count or a list of ids, by rank. One of several CPU workers gets one thread
 * unless `threads` says otherwise; the engine of a GPU chooses for itself (0). Throws `DEVICE` for
 * devices that this machine does not have and for too many workers, `BAD_OPTION` for `threads`.
 */
export function runDevices(
  asked: number | string[],
  threads: number | null | undefined,
): DeviceUse[] {
  if (threads !== null && threads !== undefined && (!Number.isInteger(threads) || threads < 1)) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `threads must be a whole number from 1; it is ${shown(threads)}.`,
    );
  }
  const chosen = chooseDevices(asked);
  refuseCrowd(chosen);
  const javascript = engineInfo().name === 'javascript';
  return chosen.map((device, rank) => {
    const defaultThreads = chosen.length === 1 ? device.threads : 1;
    const engineThreads = device.kind === 'cpu' ? (threads ?? defaultThreads) : 0;
    return {rank, id: device.id, name: device.name, threads: javascript ? 1 : engineThreads};
  });
}
