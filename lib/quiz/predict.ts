/**
 * `predict` keeps the learner's expectation before a measurement, and `reconcile` compares it with
 * the result. Predictions are never graded.
 */
import {shown} from '../base/errors';
import {show} from './answer';
import {card, type Card} from './card';
import {idPattern} from './parse';
import {keep, recall, type Quantity} from './store';
import {convert, dimensionOf, figure, withUnit} from './units';

const inThisKernel = new Map<string, Quantity>();

/**
 * Keeps the first number predicted for `id`, in this kernel and in `answers/<id>.json`; later
 * numbers change nothing. `unit` is the unit of the measurement ('ms', 'MB', 'samples/s'). Shows
 * "not predicted yet" for a blank value. Never throws.
 */
export function predict(id: string, value?: unknown, unit?: string): void {
  show(() => predictionCard(id, value, unit));
}

/** The first prediction for `id`, or null if there is none. */
export function predicted(id: string): Quantity | null {
  return inThisKernel.get(id) ?? recall(id).prediction ?? null;
}

/** Shows the first prediction, the measured value and their ratio in words. Never throws. */
export function reconcile(id: string, measured: number, unit?: string): void {
  show(() => reconcileCard(id, measured, unit));
}

/** Keeps a first prediction and returns the card of `predict`. */
export function predictionCard(id: unknown, value: unknown, unit: unknown = ''): Card {
  if (typeof id !== 'string' || !idPattern.test(id)) {
    return card(
      '!',
      `predict: ${shown(id)} is not an id; write lower-case letters, digits and hyphens between quotes, as in 'step-time'.`,
    );
  }
  if (typeof unit !== 'string')
    return card(
      '!',
      `predict('${id}'): the unit ${shown(unit)} is not a string; write it between quotes, as in 'ms'.`,
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
      `predict('${id}'): ${shown(value)} is not a finite number; write a number without quotes${unit === '' ? '' : `, in ${unit}`}.`,
    );
  }
  if (before) {
    const same = before.value === value && before.unit === unit;
    const again = same
      ? ''
      : ` The first prediction counts; to start again, delete answers/${id}.json and restart the kernel.`;
    return card('○', `You predicted ${withUnit(before)}.${again}`);
  }
  inThisKernel.set(id, {value, unit});
  keep(id, {prediction: {value, unit}});
  return card(
    '○',
    `You predict ${withUnit({value, unit})}. It will be compared with the measured value.`,
  );
}

/** The card of `reconcile`. */
export function reconcileCard(id: unknown, measured: unknown, unit: unknown = ''): Card {
  if (typeof id !== 'string')
    return card(
      '!',
      `reconcile: ${shown(id)} is not an id; write the id of the prediction between quotes.`,
    );
  if (typeof unit !== 'string')
    return card(
      '!',
      `reconcile('${id}'): the unit ${shown(unit)} is not a string; write it between quotes, as in 'ms'.`,
    );
  if (typeof measured !== 'number' || !Number.isFinite(measured)) {
    return card(
      '!',
      `reconcile('${id}'): the measured value ${shown(measured)} is not a finite number, so there is nothing to compare.`,
    );
  }
  const value = {value: measured, unit};
  const first = predicted(id);
  if (!first)
    return card(
      '○',
      `Measured: ${withUnit(value)}. There is no prediction '${id}' to compare it with.`,
    );
  const inUnit = convert(first.value, first.unit, unit);
  if (inUnit === null)
    return card(
      '!',
      `You predicted ${withUnit(first)}; measured: ${withUnit(value)}. ${mismatch(first.unit, unit)}`,
    );
  const converted = first.unit === unit ? '' : ` (${withUnit({value: inUnit, unit})})`;
  return card(
    '○',
    `You predicted ${withUnit(first)}${converted}; measured: ${withUnit(value)}. ${compared(inUnit, measured)}`,
  );
}

function mismatch(from: string, to: string): string {
  const [fromDimension, toDimension] = [dimensionOf(from), dimensionOf(to)];
  const names =
    fromDimension !== null && toDimension !== null
      ? `'${from}' is a unit of ${fromDimension}, '${to}' a unit of ${toDimension}`
      : `'${from}' and '${to}' cannot be converted into each other`;
  return `These two cannot be compared: ${names}.`;
}

/** Compares a prediction with a measurement in the same unit, in a sentence. */
export function compared(predictedValue: number, measured: number): string {
  if (predictedValue === measured) return 'Exactly what you predicted.';
  if (predictedValue === 0 || measured === 0 || Math.sign(predictedValue) !== Math.sign(measured)) {
    return `They differ by ${figure(Math.abs(measured - predictedValue))}; a ratio says nothing for a zero or a change of sign.`;
  }
  const ratio = measured / predictedValue;
  const sentence = `That is ${figure(ratio)} times your prediction`;
  if (ratio > 0.9 && ratio < 1.1) return `${sentence}: within 10 %.`;
  return ratio > 1
    ? `${sentence}.`
    : `${sentence}, which was ${figure(1 / ratio)} times too large.`;
}
