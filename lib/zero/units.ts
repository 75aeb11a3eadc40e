/**
 * Worker side. A unit is the trainable weights of one block, laid end to end: the piece of a model
 * that is divided, gathered and freed as one (PyTorch's FSDP calls it a flat parameter: Zhao et al.
 * 2023, section 3.2.1).
 */
import {endToEnd, firstUses, ownSize, type Place} from '../dataParallel/packFlat';
import type {Graph, LayerCall} from '../model/graph';
import type {GradientSum} from '../step/gradientSum';
import type {WeightGradient} from '../step/hooks';
import type {Itinerary} from '../step/strategy';
import type {GatherLabel} from '../dataParallel/commWork';

/** One weight in its unit. */
export interface UnitPlace extends Place {
  /** The call after whose backward its gradient is final. */
  firstUse: number;
}

export interface Unit {
  index: number;
  name: string;
  places: UnitPlace[];
  length: number;
  /** The call after whose backward all of its gradients are final. */
  first: number;
  /**
   * Whether the places' gradients become final one after another, with no other unit's in between.
   */
  contiguous: boolean;
  /** Whether its gradients leave after the last walk, complete by then. */
  late: boolean;
}

/** Consecutive calls that use one unit; a tied layer's unit has several. */
export interface Run {
  unit: Unit;
  from: number;
  to: number;
  /** Not the unit's first. */
  again: boolean;
}

export interface UnitPlan {
  units: Unit[];
  runs: Run[];
  /** The run of each call that has weights. */
  runOf: Map<number, Run>;
}

/**
 * `walks`: the layers that are walked, in runs each of which goes forward and backward as one;
 * `late`: weights whose gradients other axes complete after the last walk; `sizeOf`: of a model
 * that is yet to be divided, what this rank will have.
 */
export function planUnits(
  graph: Graph,
  walks: LayerCall[][],
  sum: GradientSum,
  late: (entry: WeightGradient) => boolean,
  sizeOf = ownSize,
): UnitPlan {
  const firstUse = firstUses({...graph, calls: walks.flat()}, sum);
  const blocks = new Map<string, WeightGradient[]>();
  // A block that is walked in two runs has a unit in each.
  const keyOf = (call: LayerCall) =>
    `${walks.findIndex((calls) => calls.includes(call))} ${call.block}`;
  for (const [entry, call] of firstUse)
    blocks.set(keyOf(call), [...(blocks.get(keyOf(call)) ?? []), entry]);
  const unitOf = new Map<WeightGradient, Unit>();
  const units = [...blocks.values()].map((entries, index): Unit => {
    const name = firstUse.get(entries[0])!.block;
    const places = endToEnd(entries, 0, sizeOf).map(
      (place): UnitPlace => ({...place, firstUse: firstUse.get(place.entry)!.index}),
    );
    const length = places.reduce((sum, place) => sum + place.length, 0);
    const unit: Unit = {
      index,
      name,
      places,
      length,
      first: Math.min(...places.map((place) => place.firstUse)),
      contiguous: true,
      late: entries.some(late),
    };
    for (const entry of entries) unitOf.set(entry, unit);
    return unit;
  });
  for (const unit of units) {
    const last = Math.max(...unit.places.map((place) => place.firstUse));
    unit.contiguous = units.every(
      (other) =>
        other === unit ||
        other.places.every((place) => place.firstUse < unit.first || place.firstUse > last),
    );
  }
  const runs: Run[] = [];
  const runOf = new Map<number, Run>();
  const seen = new Set<Unit>();
  for (const calls of walks) {
    let last: Run | undefined;
    for (const call of calls) {
      const [entry] = sum.of(call.layer);
      if (!entry) continue;
      const unit = unitOf.get(entry)!;
      if (last?.unit === unit) last.to = call.index;
      else {
        last = {unit, from: call.index, to: call.index, again: seen.has(unit)};
        runs.push(last);
      }
      seen.add(unit);
      runOf.set(call.index, last);
    }
  }
  return {units, runs, runOf};
}

/** A run that is to be gathered, and why. */
export interface Gathering {
  run: Run;
  label: GatherLabel;
}

const TIED: GatherLabel = 'parameters, a tied layer again';

/**
 * What a walk gathers, in order: forward as the layers stand, backward as it goes back, segments
 * that are computed again among it.
 */
export function gatheringsOf(
  {runOf}: UnitPlan,
  {direction, segments}: Itinerary[number],
): Gathering[] {
  const found: Gathering[] = [];
  const runsOf = (calls: LayerCall[]) => [
    ...new Set(calls.flatMap((call) => runOf.get(call.index) ?? [])),
  ];
  if (direction === 'forward')
    return runsOf(segments.flatMap(({calls}) => calls)).map((run) => ({
      run,
      label: run.again ? TIED : 'parameters, forward',
    }));
  const back = (run: Run): GatherLabel => (run.again ? TIED : 'parameters, backward');
  let held: Run | null = null;
  for (const segment of [...segments].reverse()) {
    const needed = runsOf(segment.calls);
    if (segment.again) {
      for (const run of needed) {
        if (held !== run)
          found.push({run, label: needed.length > 1 ? 'parameters, to compute again' : back(run)});
        held = run;
      }
    }
    for (const call of [...segment.calls].reverse()) {
      const run = runOf.get(call.index);
      if (!run) continue;
      if (held !== run) found.push({run, label: back(run)});
      held = call.index === run.from ? null : run;
    }
  }
  return found;
}

/** What a batch of validation gathers. */
export function predictGatherings({runs}: UnitPlan): Gathering[] {
  return runs.map((run) => ({run, label: 'parameters, validation'}));
}
