/**
 * The sentence of each row: whether it fits, what it spends its time on, and why it
 * stands where it stands.
 */
import {formatBytes} from '../base/units';
import type {CheckedSpec} from './spec';
import type {Evaluated, SpecPart} from './row';

const PARTS: Record<SpecPart, string> = {
  compute: 'arithmetic',
  bubble: "the pipeline's bubble",
  tensor: "tensor parallelism's all-reduces",
  pipeline: 'sends between stages',
  data: 'the data axis',
};

/** Seconds in three figures with a unit. */
export function secondsText(seconds: number): string {
  const [scale, unit] = seconds >= 1 ? [1, 's'] : seconds >= 1e-3 ? [1e3, 'ms'] : [1e6, 'µs'];
  return `${Number((seconds * scale).toPrecision(3))} ${unit}`;
}

const percent = (share: number) => `${Number((100 * share).toPrecision(2))} %`;
const place = ({choice, stage}: Evaluated) =>
  choice.pipeline > 1 ? ` on stage ${stage} of ${choice.pipeline}` : '';

/** '61.0 GB of 80.0 GB a device', with the stage. */
const holding = (one: Evaluated, {machine}: CheckedSpec) =>
  `${formatBytes(one.row.memory.total)} of ${formatBytes(machine.memoryBytes)} a device${place(one)}`;

function tooMuch(one: Evaluated, {machine}: CheckedSpec): string {
  const {total, ...kinds} = one.row.memory;
  const [kind, bytes] = Object.entries(kinds).reduce((most, next) =>
    (next[1] ?? 0) > (most[1] ?? 0) ? next : most,
  );
  const words = kind === 'optimizer' ? "the optimizer's state" : kind;
  return `${formatBytes(bytes ?? 0)} of ${words}${place(one)}, ${formatBytes(total)} in all, ${formatBytes(machine.memoryBytes)} a device`;
}

/** What a reader of the row would stumble over. */
function notes({choice, row, parts}: Evaluated, {machine, sizes}: CheckedSpec): string[] {
  const {data, tensor, zero} = choice;
  const m = row.microBatches;
  const all: string[] = [];
  if (!sizes)
    all.push(
      'judged by its state alone, since activations and times need layers, hidden, heads, vocab and sequence',
    );
  if (zero > 0 && data === 1) all.push(`zero ${zero} has one replica and nothing to divide`);
  if (zero >= 2 && data > 1 && m > 1)
    all.push(
      `zero ${zero} ${zero === 3 ? 'gathers weights and ' : ''}reduces gradients in each of ${m} micro-batches`,
    );
  if (parts && tensor > 1 && machine.devicesPerNode % tensor !== 0)
    all.push("tensor does not stay within a node and has the network's bandwidth");
  return all;
}

/** Why a slower row is slower than the best: the part that takes the most time more. */
function slower(one: Evaluated, best: Evaluated): string {
  if (!one.parts || !best.parts)
    return `fits, cut up more than the best: ${tensorAndPipeline(one)}, zero ${one.choice.zero}`;
  const ratio = one.row.stepSeconds! / best.row.stepSeconds!;
  if (ratio < 1.0005) {
    const [mine, its] = [one.row.memory.total, best.row.memory.total];
    return `fits, as fast as the best, which ${its < mine ? 'holds less' : `is simpler${mine < its ? ` and holds ${formatBytes(its - mine)} more a device` : ''}`}`;
  }
  const times =
    ratio < 2
      ? `${percent(ratio - 1)} slower than the best`
      : `${Number(ratio.toPrecision(3))} times as long as the best`;
  const more = (part: SpecPart) => one.parts![part] - best.parts![part];
  const part = (Object.keys(PARTS) as SpecPart[]).reduce((most, next) =>
    more(next) > more(most) ? next : most,
  );
  const recompute =
    one.choice.recompute !== 'none' && one.choice.recompute !== best.choice.recompute;
  const cause =
    part !== 'compute'
      ? ''
      : recompute
        ? ` (recompute: ${one.choice.recompute})`
        : one.choice.pipeline > best.choice.pipeline
          ? ' of the last stage, which has the logits,'
          : '';
  return `fits, ${times}: ${PARTS[part]}${cause} ${secondsText(one.parts[part])} a step, there ${best.parts[part] > 0 ? secondsText(best.parts[part]) : 'none'}`;
}

/** What the best row's sentence also rests on. */
export interface Tried {
  /** Choices that were tried. */
  count: number;
  /**
   * Seconds of a step on one of the devices alone, where the model fits there and the mesh was
   * free.
   */
  aloneSeconds: number | null;
  /** Whether a whole copy, nothing divided, fits on a device; null where none was tried. */
  copyFits: boolean | null;
}

function tensorAndPipeline({choice: {tensor, pipeline}}: Evaluated): string {
  return (
    [
      tensor > 1 ? `each layer over ${tensor} devices` : '',
      pipeline > 1 ? `the layers in ${pipeline} stages` : '',
    ]
      .filter(Boolean)
      .join(' and ') || 'whole layers'
  );
}

function bestWords(
  best: Evaluated,
  spec: CheckedSpec,
  {count, aloneSeconds, copyFits}: Tried,
): string {
  const {
    choice: {data, zero},
    parts,
    row,
  } = best;
  const time = parts
    ? `, ${secondsText(row.stepSeconds!)} a step, ${percent(parts.compute / row.stepSeconds!)} of it arithmetic`
    : '';
  const fits = `${count > 1 ? `${parts ? 'the fastest' : 'the least cut up'} of ${count} tried` : 'the one choice'} fits (${holding(best, spec)})${time}`;
  if (spec.machine.devices === 1)
    return `one device, and the model fits: do not parallelise; ${fits}`;
  if (aloneSeconds !== null && row.stepSeconds !== null && aloneSeconds <= row.stepSeconds) {
    return `do not parallelise: one device alone takes ${secondsText(aloneSeconds)} a step, no longer than these ${spec.machine.devices}; of meshes, ${fits}`;
  }
  if (count === 1) return fits;
  if (data === spec.machine.devices)
    return `${zero === 0 ? 'a whole copy fits on each device, so data parallelism alone' : `data parallelism, its state divided (zero ${zero})${copyFits !== false ? '' : ', since no device has room for a whole copy'}`}; ${fits}`;
  const why =
    copyFits === null
      ? ''
      : copyFits
        ? 'faster than whole copies: '
        : 'no device has room for a whole copy: ';
  return `${why}${tensorAndPipeline(best)}${data > 1 ? `, ${data} replicas` : ''}; ${fits}`;
}

/** The reason of `one`, the row at `rank` of the plan, whose first is `best`. */
export function reasonOf(
  one: Evaluated,
  rank: number,
  best: Evaluated,
  spec: CheckedSpec,
  tried: Tried,
): string {
  const verdict = !one.row.fits
    ? `${rank === 0 && tried.count > 1 ? `none of ${tried.count} tried fits, and this comes nearest: it ` : ''}does not fit: ${tooMuch(one, spec)}`
    : rank === 0
      ? bestWords(one, spec, tried)
      : slower(one, best);
  return `${[verdict, ...notes(one, spec)].join('; ')}.`;
}
