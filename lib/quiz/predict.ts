/**
 * `predict` keeps what the learner expects before a measurement, `reconcile` sets it
 * beside what was measured. Predictions are never graded.
 */
import {shown} from '../base/errors';
import {show} from './answer';
import {card, type Card} from './card';
import {idPattern} from './parse';
import {keep, recall, type Quantity} from './store';
import {convert, dimensionOf, figure, withUnit} from './units';

const inThisKernel = new Map<string, Quantity>();

/**
 * Keeps the first number given for `id`, in this kernel and in `answers/<id>.json`; later ones
 * change nothing. `unit` is that of the measurement to come ('ms', 'MB', 'samples/s'). A blank
 * value says "not predicted yet". Never throws.
 */
export function predict(id: string, value?: unknown, unit?: string): void {
  show(() => predictionCard(id, value, unit));
}

/** The first prediction for `id`, or null where there is none. */
export function predicted(id: string): Quantity | null {
  return inThisKernel.get(id) ?? recall(id).prediction ?? null;
}

/**
 * Shows the first prediction beside the measured value, with their ratio in words. Never throws.
 */
export function reconcile(id: string, measured: number, unit?: string): void {
  show(() => reconcileCard(id, measured, unit));
}

/** The card of `predict`; also keeps a first prediction. */
export function predictionCard(id: unknown, value: unknown, unit: unknown = ''): Card {
  if (typeof id !== 'string' || !idPattern.test(id)) {
    return card(
      '!',
      `predict: ${shown(id)} is no id; write small letters, digits and hyphens between quotes, as in 'step-time'.`,
    );
  }
  if (typeof unit !== 'string')
    return card(
      '!',
      `predict('${id}'): the unit ${shown(unit)} is no text; write it between quotes, as in 'ms'.`,
    );
  const before = predicted(id);
  if (
    value === undefined ||
    value === null ||
    (typeof value === 'string' && value.trim() === '') ||
    Number.isNaN(value)
  ) {
    if (before) return card('○', `Your prediction stays: ${withUnit(before)}.`);
    return card(
      '○',
      `not predicted yet: write the number that you expect${unit === '' ? '' : `, in ${unit}`}.`,
    );
  }
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    return card(
      '!',
      `predict('${id}'): ${shown(value)} is no number; write one without quotes${unit === '' ? '' : `, in ${unit}`}.`,
    );
  }
  if (before) {
    const same = before.value === value && before.unit === unit;
    const again = same
      ? ''
      : ` The first one counts; to predict anew, delete answers/${id}.json and restart the kernel.`;
    return card('○', `You predicted ${withUnit(before)}.${again}`);
  }
  inThisKernel.set(id, {value, unit});
  keep(id, {prediction: {value, unit}});
  return card(
    '○',
    `You predict ${withUnit({value, unit})}. It will stand beside the measured value.`,
  );
}

/** The card of `reconcile`. */
export function reconcileCard(id: unknown, measured: unknown, unit: unknown = ''): Card {
  if (typeof id !== 'string')
    return card(
      '!',
      `reconcile: ${shown(id)} is no id; write that of the prediction between quotes.`,
    );
  if (typeof unit !== 'string')
    return card(
      '!',
      `reconcile('${id}'): the unit ${shown(unit)} is no text; write it between quotes, as in 'ms'.`,
    );
  if (typeof measured !== 'number' || !Number.isFinite(measured)) {
    return card(
      '!',
      `reconcile('${id}'): the measured value ${shown(measured)} is no number, so there is nothing to compare.`,
    );
  }
  const value = {value: measured, unit};
  const first = predicted(id);
  if (!first)
    return card(
      '○',
      `Measured: ${withUnit(value)}. There is no prediction '${id}' to set beside it.`,
    );
  const inUnit = convert(first.value, first.unit, unit);
  if (inUnit === null)
    return card(
      '!',
      `You predicted ${withUnit(first)}; measured: ${withUnit(value)}. ${mismatch(first.unit, unit)}`,
    );
  const also = first.unit === unit ? '' : ` (${withUnit({value: inUnit, unit})})`;
  return card(
    '○',
    `You predicted ${withUnit(first)}${also}; measured: ${withUnit(value)}. ${compared(inUnit, measured)}`,
  );
}

function mismatch(from: string, to: string): string {
  const [one, other] = [dimensionOf(from), dimensionOf(to)];
  const names =
    one !== null && other !== null
      ? `'${from}' is a unit of ${one}, '${to}' one of ${other}`
      : `'${from}' and '${to}' do not turn into each other`;
  return `These two cannot be compared: ${names}.`;
}

/** What the two numbers, in one unit, say about each other. */
export function compared(predictedValue: number, measured: number): string {
  if (predictedValue === measured) return 'Exactly what you predicted.';
  if (predictedValue === 0 || measured === 0 || Math.sign(predictedValue) !== Math.sign(measured)) {
    return `They differ by ${figure(Math.abs(measured - predictedValue))}; with a zero or a change of sign a ratio says nothing.`;
  }
  const ratio = measured / predictedValue;
  const said = `That is ${figure(ratio)} times your prediction`;
  if (ratio > 0.9 && ratio < 1.1) return `${said}: within 10 %.`;
  return ratio > 1 ? `${said}.` : `${said}, which was ${figure(1 / ratio)} times too large.`;
}
