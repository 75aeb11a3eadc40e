/**
 * What a tensor's memory is for: the rows of the account and of the measurement.
 */

import {formatBytes} from '../base/units';

/**
 * `parameters`: weights; `gradients`: of weights, summed over a step; `optimizer`: its state;
 * `activations`: what layers hand on and keep for their backward, its gradients and the inputs;
 * `gathered`: weights that other ranks own, while they are used; `communication`: buffers on their
 * way; `temporary`: what an update needs while it runs.
 */
export type Category =
  | 'parameters'
  | 'gradients'
  | 'optimizer'
  | 'activations'
  | 'gathered'
  | 'communication'
  | 'temporary';
export const CATEGORIES: readonly Category[] = [
  'parameters',
  'gradients',
  'optimizer',
  'activations',
  'gathered',
  'communication',
  'temporary',
];

/** Bytes a category. */
export type ByCategory = Record<Category, number>;

export const categoryIndex = (category: Category): number => CATEGORIES.indexOf(category);

export function byCategory(bytes: ArrayLike<number>): ByCategory {
  return Object.fromEntries(CATEGORIES.map((name, i) => [name, bytes[i]])) as ByCategory;
}

/** Places of what a model's training keeps from step to step, and its gradients. */
export const STATE: readonly number[] = [
  categoryIndex('parameters'),
  categoryIndex('gradients'),
  categoryIndex('optimizer'),
];

/** "parameters 7.45 MB, activations 1.20 MB": those that hold anything. */
export function inWords(bytes: ByCategory): string {
  return Object.entries(bytes)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${formatBytes(count)}`)
    .join(', ');
}
