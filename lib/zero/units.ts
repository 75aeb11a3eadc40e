/**
 * A unit is the trainable weights of one block, laid end to end: the piece of a model
 * that is divided, gathered and freed as one (PyTorch's FSDP calls it a flat parameter: Zhao et al.
 * 2023, section 3.2.1).
 */
import {packFlat, firstUses, ownSize, type FlatSlice} from '../dataParallel/packFlat';
import type {Graph, LayerCall} from '../model/graph';
import type {GradientSum} from '../step/gradientSum';
import type {WeightGradient} from '../step/hooks';
import type {LayerSchedule} from '../step/strategy';
import type {GatherLabel} from '../dataParallel/commWork';

/** One weight in its unit. */
export interface UnitSlice extends FlatSlice {
  /** The call after whose backward its gradient is final. */
  firstUse: number;
}

export interface Unit {
  index: number;
  name: string;
  places: UnitSlice[];
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
export interface UnitSpan {
  unit: Unit;
  from: number;
  to: number;
  /** Not the unit's first. */
  again: boolean;
}

export interface UnitPlan {
  units: Unit[];
  spans: UnitSpan[];
  /** The span of each call that has weights. */
  spanOf: Map<number, UnitSpan>;
}

/**
 * `walks`: the layers that are walked, in spans each of which goes forward and backward as one;
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
  // A block that is walked in two spans has a unit in each.
  const keyOf = (call: LayerCall) =>
    `${walks.findIndex((calls) => calls.includes(call))} ${call.block}`;
  for (const [entry, call] of firstUse)
    blocks.set(keyOf(call), [...(blocks.get(keyOf(call)) ?? []), entry]);
  const unitOf = new Map<WeightGradient, Unit>();
  const units = [...blocks.values()].map((entries, index): Unit => {
    const name = firstUse.get(entries[0])!.block;
    const places = packFlat(entries, 0, sizeOf).map(
      (place): UnitSlice => ({...place, firstUse: firstUse.get(place.entry)!.index}),
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
  const spans: UnitSpan[] = [];
  const spanOf = new Map<number, UnitSpan>();
  const seen = new Set<Unit>();
  for (const calls of walks) {
    let last: UnitSpan | undefined;
    for (const call of calls) {
      const [entry] = sum.of(call.layer);
      if (!entry) continue;
      const unit = unitOf.get(entry)!;
      if (last?.unit === unit) last.to = call.index;
      else {
        last = {unit, from: call.index, to: call.index, again: seen.has(unit)};
        spans.push(last);
      }
      seen.add(unit);
      spanOf.set(call.index, last);
    }
  }
  return {units, spans, spanOf};
}

/** A span that is to be gathered, and why. */
export interface Gathering {
  span: UnitSpan;
  label: GatherLabel;
}

const TIED: GatherLabel = 'parameters, a tied layer again';

/**
 * What a walk gathers, in order: forward as the layers stand, backward as it goes back, segments
 * that are computed again among it.
 */
export function gatheringsOf(
  {spanOf}: UnitPlan,
  {direction, segments}: LayerSchedule[number],
): Gathering[] {
  const found: Gathering[] = [];
  const runsOf = (calls: LayerCall[]) => [
    ...new Set(calls.flatMap((call) => spanOf.get(call.index) ?? [])),
  ];
  if (direction === 'forward')
    return runsOf(segments.flatMap(({calls}) => calls)).map((span) => ({
      span,
      label: span.again ? TIED : 'parameters, forward',
    }));
  const back = (span: UnitSpan): GatherLabel => (span.again ? TIED : 'parameters, backward');
  let held: UnitSpan | null = null;
  for (const segment of [...segments].reverse()) {
    const needed = runsOf(segment.calls);
    if (segment.recompute) {
      for (const span of needed) {
        if (held !== span)
          found.push({
            span,
            label: needed.length > 1 ? 'parameters, to compute again' : back(span),
          });
        held = span;
      }
    }
    for (const call of [...segment.calls].reverse()) {
      const span = spanOf.get(call.index);
      if (!span) continue;
      if (held !== span) found.push({span, label: back(span)});
      held = call.index === span.from ? null : span;
    }
  }
  return found;
}

/** What a batch of validation gathers. */
export function predictGatherings({spans}: UnitPlan): Gathering[] {
  return spans.map((span) => ({span, label: 'parameters, validation'}));
}
