/**
 * A result in five plain sentences, every number out of the result itself.
 */
import {formatBytes} from '../base/units';
import {physicalCores} from '../base/cgroup';
import {diagnoseIdle} from './diagnoseIdle';
import type {RankTiming} from '../run/timing';
import type {TrainResult} from '../run/result';

const percent = (share: number) => `${Math.round(100 * share)} %`;
const ms = (seconds: number) => `${(1000 * seconds).toPrecision(3)} ms`;

function devicesSentence({devices}: TrainResult): string {
  const threads = [...new Set(devices.map((device) => device.threads))];
  const ids = [...new Set(devices.map((device) => device.id))].join(', ');
  const each =
    threads.length > 1
      ? `${threads.join(', ')} threads`
      : threads[0] === 0
        ? 'the GPU’s own threads'
        : `${threads[0]} thread${threads[0] === 1 ? '' : 's'}`;
  return `${devices.length} device${devices.length === 1 ? '' : 's'} × ${each} (${ids}).`;
}

function speedSentence({samplesPerSecond, stepSeconds}: TrainResult): string {
  return `Together they took ${Math.round(samplesPerSecond).toLocaleString('en-US')} samples a second; the median step lasted ${ms(stepSeconds)}.`;
}

/** The ledger's lines in words. */
const WAYS: Record<string, string> = {
  'allReduce activations': 'the all-reduce of what the parts of a layer yield',
  'allReduce activation gradients': 'the all-reduce of their gradients',
  'allReduce embedding': 'the all-reduce of the embedding',
  'allGather activations': 'the all-gather of the positions before a divided layer',
  'reduceScatter activations': 'the reduce-scatter of what its parts yield',
  'allGather activation gradients': 'the all-gather of their gradients',
  'reduceScatter activation gradients': 'the reduce-scatter of the gradients before it',
  'reduceScatter embedding': 'the reduce-scatter of the embedding',
  'allGather embedding': 'the all-gather of its gradient',
  'allReduce gradients of whole weights': 'the gradients of weights that see their own positions',
  'allGather gathered outputs': 'the all-gather of outputs',
  'send activations': 'the activations to the next stage',
  'send gradients': 'the gradients to the stage before',
  'allReduce tied gradients': 'the gradients of weights that stages share',
  'allReduce gradients': 'the all-reduce of its gradients',
  'reduceScatter gradients': 'the reduce-scatter of its gradients',
  'allGather updated weights': 'the all-gather of the new weights',
  'allGather parameters, forward': 'the all-gather of the weights for the forward',
  'allGather parameters, backward': 'the all-gather of the weights for the backward',
  'allGather parameters, a tied layer again': 'the all-gather of a tied layer once more',
  'allGather parameters, to compute again': 'the all-gather of what is computed again',
  'allGather parameters, validation': 'the all-gather of the weights for validation',
};

function trafficSentence({traffic, record, devices}: TrainResult): string {
  const gradients = traffic.filter((line) =>
    /gradients|updated weights|parameters|activations|embedding|outputs/.test(line.operation),
  );
  if (devices.length === 1 || gradients.length === 0)
    return 'Nothing had to be sent: there was one device.';
  const steps = Math.max(1, record.steps.length);
  const sent = devices.map(
    ({rank}) =>
      gradients.filter((line) => line.rank === rank).reduce((sum, line) => sum + line.sent, 0) /
      steps,
  );
  const [least, most] = [Math.min(...sent), Math.max(...sent)];
  const amount =
    least === most
      ? `Each sent ${formatBytes(most)} a step`
      : `Each sent ${formatBytes(least)} to ${formatBytes(most)} a step`;
  const what = [
    ...new Set(
      gradients.filter((line) => line.sent > 0).map(({operation}) => WAYS[operation] ?? operation),
    ),
  ];
  return `${amount} for ${what.join(' and ')}, as the formula says.`;
}

function share(
  timing: RankTiming[],
  part: (one: RankTiming) => number,
  stepSeconds: number,
): number {
  return timing.reduce((sum, one) => sum + part(one), 0) / timing.length / stepSeconds;
}

/** Seconds of a step in the mean: the first steps, which load the engine, among them. */
function meanStep({record}: TrainResult): number {
  const {steps} = record;
  return steps.length > 0 ? steps.reduce((sum, step) => sum + step.seconds, 0) / steps.length : 0;
}

function timeSentence(result: TrainResult): string {
  const {timing, devices, straggler} = result;
  const stepSeconds = meanStep(result);
  if (stepSeconds === 0 || timing.every((one) => one.computeSeconds === 0))
    return 'The run kept no trace, so nothing is known of where its time went.';
  const compute = share(timing, (one) => one.computeSeconds, stepSeconds);
  const noCore = share(timing, (one) => one.noCoreSeconds, stepSeconds);
  const wait = share(timing, (one) => one.waitSeconds, stepSeconds);
  const rest = `Of a step ${percent(compute)} was compute, ${percent(noCore)} was time without a core`;
  if (devices.length === 1) return `${rest}.`;
  return `${rest} and ${percent(wait)} was waiting for others${straggler ? `, most of it for rank ${straggler.rank}, which took ${straggler.times.toFixed(1)} times as long as the others` : ''}.`;
}

function tryPipeline(result: TrainResult): string {
  if (result.plan.schedule?.name === 'naive')
    return "Try: a schedule other than 'naive', with several microBatches: then stages work at the same time.";
  const {cause, reason, expected} = diagnoseIdle(result);
  if (cause === 'unbalanced stages') return `Try: other cuts, since ${reason}`;
  return `Try: more microBatches, or fewer: ${Math.round(100 * expected)} % of the time is the bubble, and small micro-batches are dear.`;
}

function trySentence(result: TrainResult): string {
  const {timing, devices} = result;
  const stepSeconds = meanStep(result);
  if (devices.length === 1) return 'Try: trainParallel on two devices, and compare.';
  if (stepSeconds === 0) return 'Try: more epochs; the run took no step.';
  if (share(timing, (one) => one.noCoreSeconds, stepSeconds) > 0.15)
    return 'Try: fewer devices or threads, since workers stood in line for a core.';
  if (result.plan.mesh.pipeline > 1) return tryPipeline(result);
  const wait = share(timing, (one) => one.waitSeconds, stepSeconds);
  const used = devices.reduce((sum, {threads}) => sum + threads, 0);
  const free = devices.some(({id}) => id !== 'cpu') || used < physicalCores();
  if (wait <= 0.15)
    return free
      ? 'Try: one device more, since a core is free for it.'
      : 'Try: a larger model or batch; every core has its worker already.';
  return result.straggler === null
    ? 'Try: a larger batchSize, so that each exchange of gradients pays for more samples.'
    : 'Try: equal devices for all ranks, since one keeps the others waiting.';
}

/** Devices, speed, traffic, time and what to try next: five sentences, one a line. */
export function summarize(result: TrainResult): string {
  return [
    devicesSentence(result),
    speedSentence(result),
    trafficSentence(result),
    timeSentence(result),
    trySentence(result),
  ].join('\n');
}
