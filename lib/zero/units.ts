/**
 * A unit is the trainable weights of one block in one flat array: the piece of a model that is
 * divided, gathered and freed together (a flat parameter in PyTorch's FSDP: Zhao et al. 2023,
 * section 3.2.1).
 */
import {firstUses, packFlat, variableSize, type FlatSlice} from '../dataParallel/packFlat';
import type {Graph, LayerCall} from '../model/graph';
import type {GradientSum} from '../step/gradientSum';
import type {WeightGradient} from '../step/hooks';
import type {LayerSchedule} from '../step/strategy';
import type {GatherLabel} from '../dataParallel/commWork';

/** One weight in its unit. */
export interface UnitSlice extends FlatSlice {
  /** The index of the call whose backward pass completes its gradient. */
  firstUse: number;
}

export interface Unit {
  index: number;
  name: string;
  slices: UnitSlice[];
  length: number;
  /** The index of the call whose backward pass completes all its gradients. */
  first: number;
  /** Whether no gradient of another unit becomes final between its own gradients. */
  contiguous: boolean;
  /** Whether its gradients are sent only after the last backward pass of the step. */
  late: boolean;
}

/** Consecutive calls that use one unit; a tied layer's unit has several. */
export interface UnitSpan {
  unit: Unit;
  from: number;
  to: number;
  /** Whether an earlier span uses the same unit. */
  again: boolean;
}

export interface UnitPlan {
  units: Unit[];
  spans: UnitSpan[];
  /** The span of each call that has weights. */
  spanOf: Map<number, UnitSpan>;
}

/**
 * Divides the trainable weights of a model into units. `stages` holds the layer calls of each local
 * stage, whose forward or backward pass runs without interruption. `late` accepts weights whose
 * gradients other axes complete after the last backward pass. `sizeOf` is for a model that is not
 * divided yet: the number of elements that this rank will hold.
 */
export function planUnits(
  graph: Graph,
  stages: LayerCall[][],
  sum: GradientSum,
  late: (entry: WeightGradient) => boolean,
  sizeOf = variableSize,
): UnitPlan {
  const firstUse = firstUses({...graph, calls: stages.flat()}, sum);
  const blocks = new Map<string, WeightGradient[]>();
  // A block that is divided between two stages has a unit in each.
  const keyOf = (call: LayerCall) =>
    `${stages.findIndex((calls) => calls.includes(call))} ${call.block}`;
  for (const [entry, call] of firstUse)
    blocks.set(keyOf(call), [...(blocks.get(keyOf(call)) ?? []), entry]);
  const unitOf = new Map<WeightGradient, Unit>();
  const units = [...blocks.values()].map((entries, index): Unit => {
    const name = firstUse.get(entries[0])!.block;
    const slices = packFlat(entries, 0, sizeOf).map(
      (slice): UnitSlice => ({...slice, firstUse: firstUse.get(slice.entry)!.index}),
    );
    const length = slices.reduce((sum, slice) => sum + slice.length, 0);
    const unit: Unit = {
      index,
      name,
      slices,
      length,
      first: Math.min(...slices.map((slice) => slice.firstUse)),
      contiguous: true,
      late: entries.some(late),
    };
    for (const entry of entries) unitOf.set(entry, unit);
    return unit;
  });
  for (const unit of units) {
    const last = Math.max(...unit.slices.map((slice) => slice.firstUse));
    unit.contiguous = units.every(
      (other) =>
        other === unit ||
        other.slices.every((slice) => slice.firstUse < unit.first || slice.firstUse > last),
    );
  }
  const spans: UnitSpan[] = [];
  const spanOf = new Map<number, UnitSpan>();
  const seen = new Set<Unit>();
  for (const calls of stages) {
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

/** A span whose unit is gathered, and why. */
export interface Gathering {
  span: UnitSpan;
  label: GatherLabel;
}

const TIED: GatherLabel = 'parameters, a tied layer again';

/**
 * What a forward or backward pass gathers, in order. A backward pass also gathers for the segments
 * that it recomputes.
 */
export function gatheringsOf(
  {spanOf}: UnitPlan,
  {direction, segments}: LayerSchedule[number],
): Gathering[] {
  const gatherings: Gathering[] = [];
  const spansOf = (calls: LayerCall[]) => [
    ...new Set(calls.flatMap((call) => spanOf.get(call.index) ?? [])),
  ];
  if (direction === 'forward')
    return spansOf(segments.flatMap(({calls}) => calls)).map((span) => ({
      span,
      label: span.again ? TIED : 'parameters, forward',
    }));
  const labelOf = (span: UnitSpan): GatherLabel => (span.again ? TIED : 'parameters, backward');
  let current: UnitSpan | null = null;
  for (const segment of [...segments].reverse()) {
    const needed = spansOf(segment.calls);
    if (segment.recompute) {
      for (const span of needed) {
        if (current !== span)
          gatherings.push({
            span,
            label: needed.length > 1 ? 'parameters, to compute again' : labelOf(span),
          });
        current = span;
      }
    }
    for (const call of [...segment.calls].reverse()) {
      const span = spanOf.get(call.index);
      if (!span) continue;
      if (current !== span) gatherings.push({span, label: labelOf(span)});
      current = call.index === span.from ? null : span;
    }
  }
  return gatherings;
}

/** What a validation batch gathers. */
export function predictGatherings({spans}: UnitPlan): Gathering[] {
  return spans.map((span) => ({span, label: 'parameters, validation'}));
}
