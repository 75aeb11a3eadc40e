/**
 * `summarize`, which describes a result in five sentences with numbers from the result.
 */
import {physicalCores} from '../base/cgroup';
import {count} from '../base/format';
import {sum} from '../base/statistics';
import {formatBytes} from '../base/units';
import {checkResult} from './checkResult';
import {diagnoseIdle} from './diagnoseIdle';
import type {RankTiming} from '../run/timing';
import type {TrainResult} from '../run/result';

const percent = (share: number) => `${Math.round(100 * share)} %`;
const ms = (seconds: number) => `${(1000 * seconds).toPrecision(3)} ms`;

function devicesSentence({devices}: TrainResult): string {
  const threads = [...new Set(devices.map((device) => device.threads))];
  const ids = [...new Set(devices.map((device) => device.id))].join(', ');
  return `${count(devices.length, 'device')} × ${threadWords(threads)} (${ids}).`;
}

/** Describes the thread counts of all devices; 0 stands for the GPU's own. */
function threadWords(threads: readonly number[]): string {
  if (threads.length > 1) return `${threads.join(', ')} threads`;
  return threads[0] === 0 ? "the GPU's own threads" : count(threads[0], 'thread');
}

function speedSentence({samplesPerSecond, stepSeconds}: TrainResult): string {
  return `Together they processed ${Math.round(samplesPerSecond).toLocaleString('en-US')} samples per second; the median step took ${ms(stepSeconds)}.`;
}

/** The operations of `result.traffic` in words. */
const TRAFFIC_WORDS: Record<string, string> = {
  'allReduce activations': 'the all-reduce of the outputs of sharded layers',
  'allReduce activation gradients': 'the all-reduce of their gradients',
  'allReduce embedding': 'the all-reduce of the embedding',
  'allGather activations': 'the all-gather of the positions before a sharded layer',
  'reduceScatter activations': 'the reduce-scatter of its outputs',
  'allGather activation gradients': 'the all-gather of their gradients',
  'reduceScatter activation gradients': 'the reduce-scatter of the gradients before it',
  'reduceScatter embedding': 'the reduce-scatter of the embedding',
  'allGather embedding': 'the all-gather of its gradient',
  'allReduce gradients of whole weights':
    'the gradients of weights that see only the positions of their rank',
  'allGather gathered outputs': 'the all-gather of outputs',
  'send activations': 'the activations to the next stage',
  'send gradients': 'the gradients to the stage before',
  'allReduce tied gradients': 'the gradients of weights that stages share',
  'allReduce gradients': 'the all-reduce of its gradients',
  'reduceScatter gradients': 'the reduce-scatter of its gradients',
  'allGather updated weights': 'the all-gather of the updated weights',
  'allGather parameters, forward': 'the all-gather of the weights for the forward pass',
  'allGather parameters, backward': 'the all-gather of the weights for the backward pass',
  'allGather parameters, a tied layer again': 'the second all-gather of a tied layer',
  'allGather parameters, to compute again': 'the all-gather of the weights for recomputation',
  'allGather parameters, validation': 'the all-gather of the weights for validation',
};

function trafficSentence({traffic, record, devices}: TrainResult): string {
  const training = traffic.filter((line) =>
    /gradients|updated weights|parameters|activations|embedding|outputs/.test(line.operation),
  );
  if (devices.length === 1 || training.length === 0)
    return 'Nothing had to be sent: there was one device.';
  const steps = Math.max(1, record.steps.length);
  const sent = devices.map(
    ({rank}) => sum(training.filter((line) => line.rank === rank).map((line) => line.sent)) / steps,
  );
  const [least, most] = [Math.min(...sent), Math.max(...sent)];
  const amount =
    least === most
      ? `Each sent ${formatBytes(most)} per step`
      : `Each sent ${formatBytes(least)} to ${formatBytes(most)} per step`;
  const what = [
    ...new Set(
      training
        .filter((line) => line.sent > 0)
        .map(({operation}) => TRAFFIC_WORDS[operation] ?? operation),
    ),
  ];
  return `${amount} for ${what.join(' and ')}, as the formula says.`;
}

/** The mean over ranks of some of their seconds, as a share of a step. */
function share(
  timing: RankTiming[],
  secondsOf: (rank: RankTiming) => number,
  stepSeconds: number,
): number {
  return sum(timing.map(secondsOf)) / timing.length / stepSeconds;
}

/** Mean seconds per step, including the first steps, which load the engine. */
function meanStep({record}: TrainResult): number {
  const {steps} = record;
  return steps.length > 0 ? sum(steps.map(({seconds}) => seconds)) / steps.length : 0;
}

function timeSentence(result: TrainResult): string {
  const {timing, devices, straggler} = result;
  const stepSeconds = meanStep(result);
  if (stepSeconds === 0 || timing.every(({computeSeconds}) => computeSeconds === 0))
    return 'The run kept no trace, so it is unknown where its time went.';
  const compute = share(timing, ({computeSeconds}) => computeSeconds, stepSeconds);
  const noCore = share(timing, ({noCoreSeconds}) => noCoreSeconds, stepSeconds);
  const wait = share(timing, ({waitSeconds}) => waitSeconds, stepSeconds);
  const computing = `Of a step ${percent(compute)} was compute, ${percent(noCore)} was time without a core`;
  if (devices.length === 1) return `${computing}.`;
  const culprit = straggler
    ? `, most of it for rank ${straggler.rank}, which took ${straggler.times.toFixed(1)} times as long as the others`
    : '';
  return `${computing} and ${percent(wait)} was waiting for others${culprit}.`;
}

function tryPipeline(result: TrainResult): string {
  if (result.plan.schedule?.name === 'naive')
    return "Try: a schedule other than 'naive' with several microBatches, so that the stages work at the same time.";
  const {cause, reason, expected} = diagnoseIdle(result);
  if (cause === 'unbalanced stages') return `Try: other split points, because ${reason}`;
  return `Try: more microBatches, or fewer: the bubble takes ${Math.round(100 * expected)} % of the time, but small micro-batches are slow.`;
}

function trySentence(result: TrainResult): string {
  const {timing, devices} = result;
  const stepSeconds = meanStep(result);
  if (devices.length === 1) return 'Try: trainParallel on two devices, and compare.';
  if (stepSeconds === 0) return 'Try: more epochs; the run took no step.';
  if (share(timing, ({noCoreSeconds}) => noCoreSeconds, stepSeconds) > 0.15)
    return 'Try: fewer devices or threads, because workers waited for a core.';
  if (result.plan.mesh.pipeline > 1) return tryPipeline(result);
  const wait = share(timing, ({waitSeconds}) => waitSeconds, stepSeconds);
  const used = devices.reduce((sum, {threads}) => sum + threads, 0);
  const free = devices.some(({id}) => id !== 'cpu') || used < physicalCores();
  if (wait <= 0.15)
    return free
      ? 'Try: one more device, because a core is free.'
      : 'Try: a larger model or batch; every core already has a worker.';
  return result.straggler === null
    ? 'Try: a larger batchSize, so that each exchange of gradients pays for more samples.'
    : 'Try: equal devices for all ranks, because one rank keeps the others waiting.';
}

/**
 * Describes the result of `train` or `trainParallel` in five sentences, one per line: its devices and
 * threads, its speed (samples per second, milliseconds per step), the bytes that each rank sent per
 * step, the shares of a step spent computing and waiting, and what to try next. Every number comes
 * from the result; without a trace the fourth sentence says so. Returns the text.
 * Throws BAD_OPTION for a value that is not a result.
 */
export function summarize(result: TrainResult): string {
  checkResult('summarize', result, ['plan', 'trace', 'devices', 'memory', 'timing']);
  return [
    devicesSentence(result),
    speedSentence(result),
    trafficSentence(result),
    timeSentence(result),
    trySentence(result),
  ].join('\n');
}
