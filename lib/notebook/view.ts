/**
 * What can be shown: a table, a figure, pictures and drawings all come as a `View`,
 * and `show` shows it.
 */
import {inspect} from 'node:util';
import {showBundle, type MimeBundle} from './display';

/**
 * Something to look at: one or more outputs, each with a `text/plain` form that says the same in
 * words.
 */
export class View {
  constructor(readonly outputs: readonly MimeBundle[]) {}

  /** The whole in words: what a terminal shows. */
  get text(): string {
    return this.outputs
      .map((output) => String(output['text/plain'] ?? ''))
      .filter(Boolean)
      .join('\n');
  }

  /** A view that is a cell's last value prints its words. */
  [inspect.custom](): string {
    return this.text;
  }
}

/** Shows a view in the running cell; outside a notebook prints its words. */
export function show(view: View): void {
  for (const output of view.outputs) showBundle(output);
}
