/**
 * The devices of this machine, and the choice of devices for a run.
 */
import {execFileSync} from 'node:child_process';
import {cpus, totalmem} from 'node:os';
import {cgroupMemoryBytes, physicalCores} from '../base/cgroup';
import {ManyHandsError, shown} from '../base/errors';
import {engineInfo} from './engine';

/** One processor that a worker can train on. */
export interface Device {
  /** 'cpu', or 'cuda:0' for the first NVIDIA GPU. */
  id: string;
  kind: 'cpu' | 'cuda';
  name: string;
  /** Bytes: the memory of the GPU, or that of the machine within the control group's limit. */
  memoryBytes: number;
  /** Physical cores that this process can use; 0 for a GPU. */
  threads: number;
}

/** The NVIDIA GPUs in the driver's order; none without a driver. */
function gpus(): Device[] {
  let listing: string;
  try {
    listing = execFileSync(
      'nvidia-smi',
      ['--query-gpu=index,name,memory.total', '--format=csv,noheader,nounits'],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: 10_000,
      },
    );
  } catch {
    return [];
  }
  return listing
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [index, name, mebibytes] = line.split(',').map((part) => part.trim());
      return {
        id: `cuda:${index}`,
        kind: 'cuda',
        name,
        memoryBytes: Number(mebibytes) * 2 ** 20,
        threads: 0,
      };
    });
}

let known: Device[] | null = null;

function list(): Device[] {
  if (known === null) {
    const cpu: Device = {
      id: 'cpu',
      kind: 'cpu',
      name: cpus()[0]?.model.trim() || process.arch,
      memoryBytes: Math.min(totalmem(), cgroupMemoryBytes() ?? Infinity),
      // tfjs's JavaScript kernels run on one thread.
      threads: engineInfo().name === 'tensorflow' ? physicalCores() : 1,
    };
    // The JavaScript engine cannot use a GPU.
    known = engineInfo().name === 'tensorflow' ? [...gpus(), cpu] : [cpu];
  }
  return known;
}

/** The devices of this machine: its GPUs in the driver's order, then the CPU. */
export async function devices(): Promise<Device[]> {
  return list().map((device) => ({...device}));
}

/**
 * The devices for a count or a list of ids. A count n means the first n GPUs, or n CPU workers if
 * there are fewer GPUs. Throws `DEVICE` for a count below 1 or an id that this machine does not
 * have.
 */
export function chooseDevices(asked: number | string[] | undefined): Device[] {
  const all = list();
  const cpu = all[all.length - 1];
  if (asked === undefined || typeof asked === 'number') {
    const count = asked ?? 1;
    if (!Number.isInteger(count) || count < 1) {
      throw new ManyHandsError(
        'DEVICE',
        `devices must be a whole number from 1, or a list of ids; it is ${shown(asked)}.`,
      );
    }
    const cuda = all.filter((device) => device.kind === 'cuda');
    return cuda.length >= count ? cuda.slice(0, count) : Array.from({length: count}, () => cpu);
  }
  if (!Array.isArray(asked) || asked.length === 0) {
    throw new ManyHandsError(
      'DEVICE',
      `devices must be a whole number from 1, or a list of ids such as ['cpu']; it is ${shown(asked)}.`,
    );
  }
  return asked.map((id) => {
    const device = all.find((candidate) => candidate.id === id);
    if (!device) {
      const ids = all.map((candidate) => candidate.id).join(', ');
      throw new ManyHandsError(
        'DEVICE',
        `devices names ${shown(id)}, which this machine does not have. It has: ${ids}.`,
      );
    }
    return device;
  });
}
