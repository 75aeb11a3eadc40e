/**
 * The three ways in which one machine falls short.
 */
import {Drawing} from '../drawing';
import type {View} from '../view';

/** Slow, error-prone by hand, out of memory: three small pictures side by side. */
export function oneMachineDrawing(): View {
  const drawing = new Drawing(
    660,
    236,
    'One machine falls short in three ways. Slow: a long queue of data waits for one worker. Error-prone by hand: one share of the data is used twice ' +
      'and another never, and nobody notices. Not enough memory: the model is taller than the memory that should hold it.',
  );
  const middle = [118, 330, 542] as const;
  ['slow', 'error-prone by hand', 'not enough memory'].forEach((words, at) =>
    drawing.words(middle[at]!, 28, words, {bold: true, size: 16}),
  );
  for (let at = 0; at < 5; at++) drawing.box({x: 26 + at * 22, y: 100, width: 18, height: 44});
  drawing.arrow([140, 122], [160, 122]).hand(184, 122, 0);
  drawing.words(118, 204, 'one after the other', {faint: true, size: 13});
  ['A', 'B', 'B', 'D'].forEach((share, at) =>
    drawing.box({x: 258 + at * 38, y: 100, width: 32, height: 44}, share, {
      dashed: at === 2,
      bold: at === 2,
    }),
  );
  drawing.words(350, 82, 'B again: C is never read', {size: 13});
  drawing.words(330, 204, 'nothing tells you', {faint: true, size: 13});
  drawing.box({x: 482, y: 120, width: 120, height: 60}, '');
  drawing.box({x: 496, y: 62, width: 92, height: 112}, 'model,\ngradients,\noptimizer', {rank: 1});
  drawing.words(542, 204, 'more than the memory holds', {faint: true, size: 13});
  return drawing.view('Why one machine is not enough: three ways, one picture each.');
}
