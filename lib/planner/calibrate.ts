/**
 * This machine measured for the planner: what each operation between workers takes.
 */
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {anything, readOptions, trueOrFalse, type OptionTable} from '../base/options';
import {fitAlphaBeta} from '../collectives/alphaBeta';
import {chooseDevices, type Device} from '../devices/devices';
import {engineInfo} from '../devices/engine';
import {spmd} from '../run/spmd';
import {TIMED_OPERATIONS, type LinkArgs, type LinkTime} from './commBenchmark';
import {commOverheads} from './commOverhead';
import {keep, recall, type Link, type Machine} from './machine';

/** How `calibrate` measures. */
export interface CalibrateOptions {
  /** How many devices, or their ids, as `trainParallel` takes them. @default 2 */
  devices?: number | string[];
  /** Measure again, whatever was kept. @default false */
  fresh?: boolean;
}

const OPTIONS: OptionTable<CalibrateOptions> = {
  // `chooseDevices` checks it.
  'devices?': anything,
  'fresh?': trueOrFalse,
};

const PROGRAM = pathToFileURL(join(__dirname, 'commBenchmark.js')).href;
/** Elements: from what costs little but the call to what is far larger than a cache. */
const LENGTHS = [256, 16_384, 1_048_576, 4_194_304];
const ROUNDS = 11;

async function linksOf(ids: string[]): Promise<Link[]> {
  const [times] = await spmd<LinkTime[], LinkArgs>(PROGRAM, {
    devices: ids,
    threads: 1,
    args: {lengths: LENGTHS, rounds: ROUNDS},
  });
  const links = TIMED_OPERATIONS.map((operation): Link => {
    const {alpha, beta} = fitAlphaBeta(times.filter((time) => time.operation === operation));
    return {operation, ranks: ids.length, alpha, beta};
  });
  const {order, meeting, sum} = await commOverheads(ids);
  // Between layers ranks also wait for each other, which a sum by itself does not show.
  const inSteps = links.map((link) =>
    link.operation === 'sumTensor' ? {...link, alpha: Math.max(link.alpha, sum)} : link,
  );
  return [
    ...inSteps,
    {operation: 'dispatch', ranks: ids.length, alpha: order, beta: 0},
    {operation: 'barrier', ranks: ids.length, alpha: meeting, beta: 0},
  ];
}

/** Group sizes that are measured: pairs, and as many as may talk at once. */
function groupSizes(chosen: readonly Device[]): number[] {
  return [...new Set([2, chosen.length])].filter((size) => size > 1 && size <= chosen.length);
}

/**
 * Measures this machine: α (seconds) and β (seconds a byte) of every operation between workers, as
 * the strategies make it, among two and among all of `devices`. Takes a few seconds, and is kept
 * per machine and engine in the user's cache folder; what a model's own layers take, `plan`
 * measures and keeps by itself. Throws BAD_OPTION and DEVICE.
 */
export async function calibrate(options: CalibrateOptions = {}): Promise<Machine> {
  const {devices = 2, fresh = false} = readOptions('calibrate', options, OPTIONS);
  const chosen = chooseDevices(devices);
  const ids = chosen.map(({id}) => id);
  const what = `links ${ids.join(' ')}`;
  const known = fresh ? null : recall<Machine>(what);
  if (known) return known;
  const links: Link[] = [];
  for (const size of groupSizes(chosen)) links.push(...(await linksOf(ids.slice(0, size))));
  const {name, libtensorflow} = engineInfo();
  const own = new Map(chosen.map((device) => [device.id, device.memoryBytes]));
  const memoryBytes = [...own.values()].reduce((sum, bytes) => sum + bytes, 0);
  return keep(what, {
    device: chosen[0].name,
    cores: chosen[0].threads,
    memoryBytes,
    engine: [name, libtensorflow].filter(Boolean).join(' '),
    links,
  });
}
