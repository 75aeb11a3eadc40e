/**
 * Worker side. What a tensor's memory is for: the rows of the account and of the measurement.
 */

/**
 * `parameters`: weights; `gradients`: of weights, summed over a step; `optimizer`: its state; `activations`: what layers hand on and
 * keep for their backward, its gradients and the inputs; `gathered`: weights that other ranks own, while they are used; `communication`:
 * buffers on their way; `temporary`: what an update needs while it runs.
 */
export type Category = 'parameters' | 'gradients' | 'optimizer' | 'activations' | 'gathered' | 'communication' | 'temporary';
export const CATEGORIES: readonly Category[] = ['parameters', 'gradients', 'optimizer', 'activations', 'gathered', 'communication', 'temporary'];

/** Bytes a category. */
export type ByCategory = Record<Category, number>;

export const place = (category: Category): number => CATEGORIES.indexOf(category);

export function byCategory(bytes: ArrayLike<number>): ByCategory {
  return Object.fromEntries(CATEGORIES.map((name, i) => [name, bytes[i]])) as ByCategory;
}

/** What a model's training keeps from step to step, and its gradients: `parameters`, `gradients` and `optimizer` together. */
export const STATE: readonly Category[] = ['parameters', 'gradients', 'optimizer'];
