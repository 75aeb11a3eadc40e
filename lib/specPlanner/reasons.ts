/**
 * The reason of each row: whether it fits, what its time goes to, and why it ranks where it does.
 */
import {formatBytes} from '../base/units';
import type {CheckedSpec} from './spec';
import type {EvaluatedChoice, SpecPart} from './row';

const PARTS: Record<SpecPart, string> = {
  compute: 'arithmetic',
  bubble: "the pipeline's bubble",
  tensor: "tensor parallelism's all-reduces",
  pipeline: 'sends between stages',
  data: 'the data axis',
};

/** Seconds in three figures with a unit. */
export function secondsText(seconds: number): string {
  const [scale, unit] = unitOf(seconds);
  return `${Number((seconds * scale).toPrecision(3))} ${unit}`;
}

function unitOf(seconds: number): [number, string] {
  if (seconds >= 1) return [1, 's'];
  return seconds >= 1e-3 ? [1e3, 'ms'] : [1e6, 'µs'];
}

const percent = (share: number) => `${Number((100 * share).toPrecision(2))} %`;
const stageText = ({choice, fullestStage}: EvaluatedChoice) =>
  choice.pipeline > 1 ? ` on stage ${fullestStage} of ${choice.pipeline}` : '';

/** '61.0 GB of 80.0 GB a device', with the stage. */
const memoryText = (evaluated: EvaluatedChoice, {machine}: CheckedSpec) =>
  `${formatBytes(evaluated.prediction.memory.total)} of ${formatBytes(machine.memoryBytes)} a device${stageText(evaluated)}`;

function excessText(evaluated: EvaluatedChoice, {machine}: CheckedSpec): string {
  const {total, ...kinds} = evaluated.prediction.memory;
  const [kind, bytes] = Object.entries(kinds).reduce((most, next) =>
    (next[1] ?? 0) > (most[1] ?? 0) ? next : most,
  );
  const words = kind === 'optimizer' ? "the optimizer's state" : kind;
  return `${formatBytes(bytes ?? 0)} of ${words}${stageText(evaluated)}, ${formatBytes(total)} in all, ${formatBytes(machine.memoryBytes)} a device`;
}

/** Remarks on what may surprise a reader of the row. */
function notes(
  {choice, strategy: {microBatches}, parts}: EvaluatedChoice,
  {machine, sizes}: CheckedSpec,
): string[] {
  const {data, tensor, zero} = choice;
  const remarks: string[] = [];
  if (!sizes)
    remarks.push(
      'judged by its state alone, since activations and times need layers, hidden, heads, vocab and sequence',
    );
  if (zero > 0 && data === 1) remarks.push(`zero ${zero} has one replica and nothing to divide`);
  if (zero >= 2 && data > 1 && microBatches > 1)
    remarks.push(
      `zero ${zero} ${zero === 3 ? 'gathers weights and ' : ''}reduces gradients in each of ${microBatches} micro-batches`,
    );
  if (parts && tensor > 1 && machine.devicesPerNode % tensor !== 0)
    remarks.push("tensor does not stay within a node and has the network's bandwidth");
  return remarks;
}

function sameSpeedText(evaluated: EvaluatedChoice, best: EvaluatedChoice): string {
  const bytes = evaluated.prediction.memory.total;
  const bestBytes = best.prediction.memory.total;
  if (bestBytes < bytes) return 'fits, as fast as the best, which holds less';
  const more =
    bytes < bestBytes ? ` and holds ${formatBytes(bestBytes - bytes)} more a device` : '';
  return `fits, as fast as the best, which is simpler${more}`;
}

/** Why the arithmetic of a choice takes longer than that of the best. */
function computeCause({choice}: EvaluatedChoice, best: EvaluatedChoice): string {
  if (choice.recompute !== 'none' && choice.recompute !== best.choice.recompute)
    return ` (recompute: ${choice.recompute})`;
  return choice.pipeline > best.choice.pipeline ? ' of the last stage, which has the logits,' : '';
}

/** Why a row is slower than the best: the part whose time differs most. */
function slowerText(evaluated: EvaluatedChoice, best: EvaluatedChoice): string {
  const {parts} = evaluated;
  if (!parts || !best.parts)
    return `fits, cut up more than the best: ${tensorAndPipeline(evaluated)}, zero ${evaluated.choice.zero}`;
  const ratio = evaluated.prediction.stepSeconds! / best.prediction.stepSeconds!;
  if (ratio < 1.0005) return sameSpeedText(evaluated, best);
  const bestParts = best.parts;
  const times =
    ratio < 2
      ? `${percent(ratio - 1)} slower than the best`
      : `${Number(ratio.toPrecision(3))} times as long as the best`;
  const more = (part: SpecPart) => parts[part] - bestParts[part];
  const part = (Object.keys(PARTS) as SpecPart[]).reduce((most, next) =>
    more(next) > more(most) ? next : most,
  );
  const cause = part === 'compute' ? computeCause(evaluated, best) : '';
  const bestTime = bestParts[part] > 0 ? secondsText(bestParts[part]) : 'none';
  return `fits, ${times}: ${PARTS[part]}${cause} ${secondsText(parts[part])} a step, there ${bestTime}`;
}

/** The facts about the search as a whole that the best row's reason mentions. */
export interface SearchSummary {
  /** The number of choices evaluated. */
  count: number;
  /**
   * Seconds of a step on a single device; null where the model does not fit there or the spec fixes
   * the mesh.
   */
  singleDeviceSeconds: number | null;
  /** Whether a full copy of the model fits on a device; null where no such choice was evaluated. */
  copyFits: boolean | null;
}

function tensorAndPipeline({choice: {tensor, pipeline}}: EvaluatedChoice): string {
  const words = [
    tensor > 1 ? `each layer over ${tensor} devices` : '',
    pipeline > 1 ? `the layers in ${pipeline} stages` : '',
  ];
  return words.filter(Boolean).join(' and ') || 'whole layers';
}

/** 'the fastest of 96 tried fits (61.0 GB of 80.0 GB a device), 1.2 s a step, 40 % of it arithmetic' */
function bestFitText(best: EvaluatedChoice, spec: CheckedSpec, count: number): string {
  const {
    parts,
    prediction: {stepSeconds},
  } = best;
  const superlative = parts ? 'the fastest' : 'the least cut up';
  const subject = count > 1 ? `${superlative} of ${count} tried` : 'the one choice';
  const time = parts
    ? `, ${secondsText(stepSeconds!)} a step, ${percent(parts.compute / stepSeconds!)} of it arithmetic`
    : '';
  return `${subject} fits (${memoryText(best, spec)})${time}`;
}

function bestText(
  best: EvaluatedChoice,
  spec: CheckedSpec,
  {count, singleDeviceSeconds, copyFits}: SearchSummary,
): string {
  const {
    choice: {data, zero},
    prediction: {stepSeconds},
  } = best;
  const {devices} = spec.machine;
  const fits = bestFitText(best, spec, count);
  if (devices === 1) return `one device, and the model fits: do not parallelise; ${fits}`;
  if (singleDeviceSeconds !== null && stepSeconds !== null && singleDeviceSeconds <= stepSeconds)
    return `do not parallelise: one device alone takes ${secondsText(singleDeviceSeconds)} a step, no longer than these ${devices}; of meshes, ${fits}`;
  if (count === 1) return fits;
  if (data === devices && zero === 0)
    return `a whole copy fits on each device, so data parallelism alone; ${fits}`;
  const noCopy = copyFits === false;
  if (data === devices)
    return `data parallelism, its state divided (zero ${zero})${noCopy ? ', since no device has room for a whole copy' : ''}; ${fits}`;
  const replicas = data > 1 ? `, ${data} replicas` : '';
  return `${copyText(copyFits)}${tensorAndPipeline(best)}${replicas}; ${fits}`;
}

function copyText(copyFits: boolean | null): string {
  if (copyFits === null) return '';
  return copyFits ? 'faster than whole copies: ' : 'no device has room for a whole copy: ';
}

function verdictText(
  evaluated: EvaluatedChoice,
  index: number,
  best: EvaluatedChoice,
  spec: CheckedSpec,
  search: SearchSummary,
): string {
  if (evaluated.prediction.fits)
    return index === 0 ? bestText(evaluated, spec, search) : slowerText(evaluated, best);
  const nearest =
    index === 0 && search.count > 1
      ? `none of ${search.count} tried fits, and this comes nearest: it `
      : '';
  return `${nearest}does not fit: ${excessText(evaluated, spec)}`;
}

/** The reason of a choice: `index` is its position in the plan, `best` the plan's first row. */
export function reasonOf(
  evaluated: EvaluatedChoice,
  index: number,
  best: EvaluatedChoice,
  spec: CheckedSpec,
  search: SearchSummary,
): string {
  const verdict = verdictText(evaluated, index, best, spec, search);
  return `${[verdict, ...notes(evaluated, spec)].join('; ')}.`;
}
