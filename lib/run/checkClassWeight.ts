/**
 * Checks classWeight against the model's outputs, before a worker starts.
 */
import {shown} from '../base/errors';
import {nearest} from '../base/nearest';
import {refuseOption} from '../base/options';
import type {CheckedOptions} from '../config/checkOptions';

type Weights = Record<string, unknown>;

const isObject = (value: unknown): value is Weights => typeof value === 'object' && value !== null;

/** Checks the weights of one output's classes. */
function checkNumbers(weights: Weights, what: string): void {
  for (const [name, weight] of Object.entries(weights))
    if (typeof weight !== 'number' || !Number.isFinite(weight))
      refuseOption(`${what}[${name}] must be a finite number; it is ${shown(weight)}.`);
}

/** Throws BAD_OPTION. `outputs`: the names of the model's outputs. */
export function checkClassWeight(
  classWeight: CheckedOptions['classWeight'],
  outputs: readonly string[],
): void {
  if (!classWeight) return;
  const names = outputs.join(', ');
  if (Array.isArray(classWeight)) {
    if (classWeight.length !== outputs.length)
      refuseOption(
        `classWeight lists ${classWeight.length} outputs; the model has ${outputs.length}: ${names}.`,
      );
    classWeight.forEach((weights, i) => checkNumbers(weights, `classWeight[${i}]`));
    return;
  }
  const weights = classWeight as Weights;
  if (!Object.values(weights).some(isObject)) {
    if (outputs.length > 1)
      refuseOption(
        `the model has ${outputs.length} outputs (${names}): give classWeight as a list, or as an object with their names.`,
      );
    checkNumbers(weights, 'classWeight');
    return;
  }
  for (const [name, ofOutput] of Object.entries(weights)) {
    if (!outputs.includes(name)) {
      const similar = nearest(name, outputs, Math.max(2, name.length / 2));
      const hint = similar === undefined ? '' : ` Did you mean '${similar}'?`;
      refuseOption(
        `classWeight names '${name}', which is no output of the model; it has ${names}.${hint}`,
      );
    }
    if (!isObject(ofOutput))
      refuseOption(
        `classWeight.${name} must be an object with a weight for each class; it is ${shown(ofOutput)}.`,
      );
    checkNumbers(ofOutput, `classWeight.${name}`);
  }
}
