/**
 * The choices that a spec leaves open: each that divides evenly and agrees with `fixed`; refusals
 * of fixed choices that are impossible.
 */
import {divisors} from '../base/numbers';
import {refuseSpec, someOf} from './readSpec';
import type {CheckedSpec, SpecChoice, SpecRecompute} from './spec';

type Axis = 'data' | 'tensor' | 'pipeline';

/**
 * Why an axis of the mesh cannot have `n` ranks; null where it can. `free`: the spec does not fix
 * the axis, so tensor must stay within a node.
 */
function objection(spec: CheckedSpec, axis: Axis, n: number, free: boolean): string | null {
  const {devices} = spec.machine;
  if (devices % n !== 0) return `does not divide machine.devices ${devices}`;
  if (axis === 'data') return dataObjection(spec, n);
  if (axis === 'pipeline') return pipelineObjection(spec, n);
  return tensorObjection(spec, n, free);
}

function dataObjection({batchSize, fixed}: CheckedSpec, n: number): string | null {
  const microBatch = fixed.microBatch ?? 1;
  if (batchSize % (n * microBatch) === 0) return null;
  const detail =
    microBatch > 1 ? ` into whole micro-batches of fixed.microBatch ${microBatch}` : '';
  return `does not divide batchSize ${batchSize}${detail}`;
}

function pipelineObjection({sizes, fixed}: CheckedSpec, n: number): string | null {
  const {stagesPerRank} = fixed;
  if (stagesPerRank > 1 && n === 1)
    return `leaves one stage, which fixed.stagesPerRank ${stagesPerRank} cannot interleave`;
  if (!sizes || sizes.layers % (n * stagesPerRank) === 0) return null;
  const times = stagesPerRank > 1 ? `times stagesPerRank ${stagesPerRank} ` : '';
  return `${times}does not divide model.layers ${sizes.layers} into equal stages`;
}

function tensorObjection(
  {machine: {devicesPerNode}, sizes, fixed}: CheckedSpec,
  n: number,
  free: boolean,
): string | null {
  if (sizes && sizes.heads % n !== 0)
    return `does not divide model.heads ${sizes.heads}, and each device takes whole heads`;
  if (sizes && sizes.ffn % n !== 0) return `does not divide model.ffn ${sizes.ffn}`;
  if (sizes && fixed.sequenceParallel && sizes.sequence % n !== 0)
    return `does not divide model.sequence ${sizes.sequence}, which sequenceParallel divides`;
  if (free && devicesPerNode % n !== 0) return `does not divide a node's ${devicesPerNode} devices`;
  return null;
}

/** The possible sizes of an axis: the fixed number, or all that have no objection. */
function axisSizes(spec: CheckedSpec, axis: Axis): number[] {
  const possible = (free: boolean) =>
    divisors(spec.machine.devices).filter((n) => objection(spec, axis, n, free) === null);
  const pinned = spec.fixed[axis];
  if (pinned === undefined) return possible(true);
  const why = objection(spec, axis, pinned, false);
  if (why === null) return [pinned];
  refuseSpec(`fixed.${axis} is ${pinned}, which ${why}. Allowed: ${someOf(possible(false))}.`);
}

/** Refuses fixed choices that contradict the batch, the devices or each other. */
function checkFixed({batchSize, machine: {devices}, fixed}: CheckedSpec): void {
  const {data, tensor, pipeline, microBatch, stagesPerRank, schedule} = fixed;
  if (schedule === 'interleaved-1f1b' && stagesPerRank < 2)
    refuseSpec(
      `fixed.stagesPerRank is ${stagesPerRank}, and the schedule 'interleaved-1f1b' needs 2 or more stages a device. With one, take '1f1b'.`,
    );
  if (schedule !== 'interleaved-1f1b' && stagesPerRank > 1)
    refuseSpec(
      `fixed.stagesPerRank is ${stagesPerRank}, which the schedule '${schedule}' does not interleave; allowed: 1, or fixed.schedule 'interleaved-1f1b'.`,
    );
  if (microBatch !== undefined && batchSize % microBatch !== 0)
    refuseSpec(
      `fixed.microBatch is ${microBatch}, which does not divide batchSize ${batchSize}. Allowed: ${someOf(divisors(batchSize))}.`,
    );
  const pinned = Object.entries({data, tensor, pipeline}).filter(([, n]) => n !== undefined) as [
    Axis,
    number,
  ][];
  const product = pinned.reduce((total, [, n]) => total * n, 1);
  const wholeMesh = pinned.length === 3;
  if (pinned.length < 2 || (wholeMesh ? product === devices : devices % product === 0)) return;
  const words = pinned.map(([axis, n]) => `${axis} ${n}`).join(' x ');
  refuseSpec(
    `fixed ${words} is ${product}, and machine.devices is ${devices}; a plan uses all devices. Allowed: a product of ${wholeMesh ? devices : someOf(divisors(devices))}.`,
  );
}

/** Whether a schedule works with this number of micro-batches. */
const schedules = ({schedule}: CheckedSpec['fixed'], pipeline: number, microBatches: number) =>
  schedule !== 'interleaved-1f1b' || microBatches % pipeline === 0;

function recomputesOf({sizes, fixed}: CheckedSpec): SpecRecompute[] {
  if (fixed.recompute) return [fixed.recompute];
  return sizes ? ['none', 'selective', 'full'] : ['none'];
}

function zerosOf({fixed}: CheckedSpec, data: number): Array<SpecChoice['zero']> {
  if (fixed.zero !== undefined) return [fixed.zero];
  return data > 1 ? [0, 1, 2, 3] : [0];
}

/** The possible sizes of a micro-batch, in samples. */
function microBatchesOf(
  {sizes, fixed, batchSize}: CheckedSpec,
  data: number,
  pipeline: number,
): number[] {
  if (fixed.microBatch !== undefined) return [fixed.microBatch];
  if (sizes) return divisors(batchSize / data);
  return [pipeline === 1 ? batchSize / data : 1];
}

/**
 * Every choice that the spec leaves open. Tensor parallelism stays within a node, and ZeRO needs
 * more than one replica, unless they are fixed. A spec with only a number of parameters has no
 * recompute unless it is fixed, and its micro-batch is a replica's share of the batch, or one
 * sample in a pipeline. Throws BAD_OPTION where no choice is left.
 */
export function choicesOf(spec: CheckedSpec): SpecChoice[] {
  checkFixed(spec);
  const {
    machine: {devices},
    batchSize,
    fixed,
  } = spec;
  const datas = axisSizes(spec, 'data');
  const tensors = axisSizes(spec, 'tensor');
  const pipelines = axisSizes(spec, 'pipeline');
  const recomputes = recomputesOf(spec);
  const choices: SpecChoice[] = [];
  const meshes: Array<{data: number; pipeline: number}> = [];
  for (const tensor of tensors)
    for (const pipeline of pipelines) {
      const data = devices / (tensor * pipeline);
      if (!datas.includes(data)) continue;
      meshes.push({data, pipeline});
      for (const microBatch of microBatchesOf(spec, data, pipeline)) {
        if (!schedules(fixed, pipeline, batchSize / (data * microBatch))) continue;
        for (const zero of zerosOf(spec, data))
          for (const recompute of recomputes)
            choices.push({...fixed, data, tensor, pipeline, microBatch, zero, recompute});
      }
    }
  if (choices.length > 0) return choices;
  if (meshes.length === 0)
    refuseSpec(
      `no mesh of ${devices} devices divides all evenly: data may be ${someOf(datas)}; tensor ${someOf(tensors)}; pipeline ${someOf(pipelines)}; their product must be machine.devices. Change devices, batchSize, or the model's layers or heads.`,
    );
  const words = meshes.slice(0, 4).map(({data, pipeline}) => {
    const possible = divisors(batchSize / data).filter((b) =>
      schedules(fixed, pipeline, batchSize / (data * b)),
    );
    return `with data ${data} and pipeline ${pipeline}, microBatch ${someOf(possible)}`;
  });
  const subject = fixed.microBatch === undefined ? '' : ` fixed.microBatch ${fixed.microBatch} of`;
  refuseSpec(
    `the schedule 'interleaved-1f1b' takes as many micro-batches at a time as there are stages, and${subject} batchSize ${batchSize} gives no multiple of that. Allowed: ${words.join('; ')}.`,
  );
}
