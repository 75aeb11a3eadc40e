/**
 * Which choices a spec leaves: each that divides evenly, around those that are fixed;
 * and refusals of fixed ones that cannot be.
 */
import {divisors} from '../base/numbers';
import {refuseSpec, someOf} from './readSpec';
import type {CheckedSpec, SpecChoice, SpecRecompute} from './spec';

type Axis = 'data' | 'tensor' | 'pipeline';

/**
 * Why a number cannot stand on an axis of the mesh; null where it can. `free`: it is not fixed, so
 * that tensor stays within a node.
 */
function against(
  {machine: {devices, devicesPerNode}, sizes, batchSize, fixed}: CheckedSpec,
  axis: Axis,
  n: number,
  free: boolean,
): string | null {
  if (devices % n !== 0) return `does not divide machine.devices ${devices}`;
  if (axis === 'data') {
    const b = fixed.microBatch ?? 1;
    if (batchSize % (n * b) !== 0)
      return `does not divide batchSize ${batchSize}${b > 1 ? ` into whole micro-batches of fixed.microBatch ${b}` : ''}`;
  } else if (axis === 'pipeline') {
    if (fixed.stagesPerRank > 1 && n === 1)
      return `leaves one stage, which fixed.stagesPerRank ${fixed.stagesPerRank} cannot interleave`;
    if (sizes && sizes.layers % (n * fixed.stagesPerRank) !== 0)
      return `${fixed.stagesPerRank > 1 ? `times stagesPerRank ${fixed.stagesPerRank} ` : ''}does not divide model.layers ${sizes.layers} into equal stages`;
  } else {
    if (sizes && sizes.heads % n !== 0)
      return `does not divide model.heads ${sizes.heads}, and each device takes whole heads`;
    if (sizes && sizes.ffn % n !== 0) return `does not divide model.ffn ${sizes.ffn}`;
    if (sizes && fixed.sequenceParallel && sizes.sequence % n !== 0)
      return `does not divide model.sequence ${sizes.sequence}, which sequenceParallel divides`;
    if (free && devicesPerNode % n !== 0)
      return `does not divide a node's ${devicesPerNode} devices`;
  }
  return null;
}

/** What may stand on an axis: the fixed number, or all that can. */
function allowed(spec: CheckedSpec, axis: Axis): number[] {
  const pinned = spec.fixed[axis];
  if (pinned === undefined)
    return divisors(spec.machine.devices).filter((n) => against(spec, axis, n, true) === null);
  const why = against(spec, axis, pinned, false);
  if (why === null) return [pinned];
  refuseSpec(
    `fixed.${axis} is ${pinned}, which ${why}. Allowed: ${someOf(divisors(spec.machine.devices).filter((n) => against(spec, axis, n, false) === null))}.`,
  );
}

/** Refuses fixed choices that contradict the batch, the devices or each other. */
function checkFixed({batchSize, machine: {devices}, fixed}: CheckedSpec): void {
  const {data, tensor, pipeline, microBatch, stagesPerRank, schedule} = fixed;
  if (schedule === 'interleaved-1f1b' && stagesPerRank < 2)
    refuseSpec(
      `fixed.stagesPerRank is ${stagesPerRank}, and the schedule 'interleaved-1f1b' wants from 2 stages a device. With one, take '1f1b'.`,
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
  const product = pinned.reduce((all, [, n]) => all * n, 1);
  if (pinned.length < 2 || (pinned.length === 3 ? product === devices : devices % product === 0))
    return;
  const words = pinned.map(([axis, n]) => `${axis} ${n}`).join(' x ');
  refuseSpec(
    `fixed ${words} is ${product}, and machine.devices is ${devices}, all of which are used. Allowed: a product of ${pinned.length === 3 ? devices : someOf(divisors(devices))}.`,
  );
}

/** Whether a schedule takes so many micro-batches. */
const takes = ({schedule}: CheckedSpec['fixed'], pipeline: number, microBatches: number) =>
  schedule !== 'interleaved-1f1b' || microBatches % pipeline === 0;

/**
 * Every choice that the spec leaves. Tensor parallelism that is not fixed stays within a node; ZeRO
 * that is not fixed wants more than one replica; with parameters alone nothing is computed again
 * unless fixed, and a replica's share is one micro-batch, on several stages a micro-batch a sample.
 * Throws BAD_OPTION where nothing is left.
 */
export function choicesOf(spec: CheckedSpec): SpecChoice[] {
  checkFixed(spec);
  const {
    machine: {devices},
    batchSize,
    sizes,
    fixed,
  } = spec;
  const [datas, tensors, pipelines] = [
    allowed(spec, 'data'),
    allowed(spec, 'tensor'),
    allowed(spec, 'pipeline'),
  ];
  const recomputes: SpecRecompute[] = fixed.recompute
    ? [fixed.recompute]
    : sizes
      ? ['none', 'selective', 'full']
      : ['none'];
  const choices: SpecChoice[] = [];
  const meshes: Array<{data: number; pipeline: number}> = [];
  for (const tensor of tensors)
    for (const pipeline of pipelines) {
      const data = devices / (tensor * pipeline);
      if (!datas.includes(data)) continue;
      meshes.push({data, pipeline});
      const zeros =
        fixed.zero !== undefined
          ? [fixed.zero]
          : data > 1
            ? ([0, 1, 2, 3] as const)
            : ([0] as const);
      const microBatches =
        fixed.microBatch !== undefined
          ? [fixed.microBatch]
          : sizes
            ? divisors(batchSize / data)
            : [pipeline === 1 ? batchSize / data : 1];
      for (const microBatch of microBatches.filter((b) =>
        takes(fixed, pipeline, batchSize / (data * b)),
      )) {
        for (const zero of zeros)
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
      takes(fixed, pipeline, batchSize / (data * b)),
    );
    return `with data ${data} and pipeline ${pipeline}, microBatch ${someOf(possible)}`;
  });
  const given = fixed.microBatch === undefined ? '' : ` fixed.microBatch ${fixed.microBatch} of`;
  refuseSpec(
    `the schedule 'interleaved-1f1b' takes as many micro-batches at a time as there are stages, and${given} batchSize ${batchSize} gives no multiple of that. Allowed: ${words.join('; ')}.`,
  );
}
