/**
 * What a tensor's memory is for: the categories of the estimate and of the measurement.
 */

import {formatBytes} from '../base/units';

/**
 * `parameters`: weights; `gradients`: gradients of weights, summed over a step; `optimizer`: its
 * state; `activations`: outputs of layers, what layers keep for the backward pass, gradients of
 * activations, and inputs; `gathered`: weights of other ranks while they are used; `communication`:
 * buffers of messages; `temporary`: what an update needs while it runs.
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

/** Bytes in each category. */
export type ByCategory = Record<Category, number>;

export const categoryIndex = (category: Category): number => CATEGORIES.indexOf(category);

export function byCategory(bytes: ArrayLike<number>): ByCategory {
  return Object.fromEntries(CATEGORIES.map((name, i) => [name, bytes[i]])) as ByCategory;
}

/** Indices of the categories that make up the training state: weights, gradients, optimizer. */
export const STATE: readonly number[] = [
  categoryIndex('parameters'),
  categoryIndex('gradients'),
  categoryIndex('optimizer'),
];

/** The categories that are not empty, such as "parameters 7.45 MB, activations 1.20 MB". */
export function inWords(bytes: ByCategory): string {
  return Object.entries(bytes)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${formatBytes(count)}`)
    .join(', ');
}
