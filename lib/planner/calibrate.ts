/**
 * `calibrate(options)`: measures this machine for the planner, the seconds of every operation between
 * workers.
 */
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {anything, readOptions, trueOrFalse, type OptionTable} from '../base/options';
import {sum} from '../base/statistics';
import {fitAlphaBeta} from '../collectives/alphaBeta';
import {chooseDevices} from '../devices/devices';
import {engineInfo} from '../devices/engine';
import {spmd} from '../run/spmd';
import {TIMED_OPERATIONS, type LinkArgs, type LinkTime} from './commBenchmark';
import {commOverheads} from './commOverhead';
import {loadMeasurement, saveMeasurement, type Link, type Machine} from './machine';

/** How `calibrate` measures. */
export interface CalibrateOptions {
  /** The number of devices, or their ids, as in `trainParallel`. @default 2 */
  devices?: number | string[];
  /** Measure again, even if there is a saved measurement. @default false */
  fresh?: boolean;
}

const OPTIONS: OptionTable<CalibrateOptions> = {
  // `chooseDevices` checks it.
  'devices?': anything,
  'fresh?': trueOrFalse,
};

const PROGRAM = pathToFileURL(join(__dirname, 'commBenchmark.js')).href;
/** Elements of the arrays: the smallest cost little more than the call, the largest exceed a cache. */
const LENGTHS = [256, 16_384, 1_048_576, 4_194_304];
const ROUNDS = 11;

async function measureLinks(ids: string[]): Promise<Link[]> {
  const [times] = await spmd<LinkTime[], LinkArgs>(PROGRAM, {
    devices: ids,
    threads: 1,
    args: {lengths: LENGTHS, rounds: ROUNDS},
  });
  const links = TIMED_OPERATIONS.map((operation): Link => {
    const {alpha, beta} = fitAlphaBeta(times.filter((time) => time.operation === operation));
    return {operation, ranks: ids.length, alpha, beta};
  });
  const {dispatch, barrier, sumTensor} = await commOverheads(ids);
  // Between layers ranks also wait for each other, which a sum measured alone does not show.
  const inSteps = links.map((link) =>
    link.operation === 'sumTensor' ? {...link, alpha: Math.max(link.alpha, sumTensor)} : link,
  );
  return [
    ...inSteps,
    {operation: 'dispatch', ranks: ids.length, alpha: dispatch, beta: 0},
    {operation: 'barrier', ranks: ids.length, alpha: barrier, beta: 0},
  ];
}

/** The group sizes to measure: pairs, and all devices together. */
function groupSizes(count: number): number[] {
  return [...new Set([2, count])].filter((size) => size > 1 && size <= count);
}

/**
 * Measures this machine: α (seconds) and β (seconds per byte) of every operation between workers, as
 * the strategies use it, among two and among all of `devices`. It takes a few seconds and saves the
 * result per machine and engine in the user's cache folder. `plan` measures the layers of a model
 * itself. Throws BAD_OPTION and DEVICE.
 */
export async function calibrate(options: CalibrateOptions = {}): Promise<Machine> {
  const {devices = 2, fresh = false} = readOptions('calibrate', options, OPTIONS);
  const machineDevices = chooseDevices(devices);
  const ids = machineDevices.map(({id}) => id);
  const measurement = `links ${ids.join(' ')}`;
  const saved = fresh ? null : loadMeasurement<Machine>(measurement);
  if (saved) return saved;
  const links: Link[] = [];
  for (const size of groupSizes(ids.length))
    links.push(...(await measureLinks(ids.slice(0, size))));
  const {name, libtensorflow} = engineInfo();
  // A device may be named several times; its memory counts once.
  const bytesById = new Map(machineDevices.map((device) => [device.id, device.memoryBytes]));
  return saveMeasurement(measurement, {
    device: machineDevices[0].name,
    cores: machineDevices[0].threads,
    memoryBytes: sum([...bytesById.values()]),
    engine: [name, libtensorflow].filter(Boolean).join(' '),
    links,
  });
}
