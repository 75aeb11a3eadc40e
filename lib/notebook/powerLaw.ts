/**
 * Either side. Growth as a power law: y = factor · x^exponent, the straight line on two logarithmic
 * axes.
 */
import {ManyHandsError} from '../base/errors';

export interface PowerLaw {
  factor: number;
  exponent: number;
  at(x: number): number;
}

/**
 * The power law nearest to points with positive x and y, by least squares of the logarithms. With
 * `exponent` given, only the factor is sought. Throws BAD_DATA for fewer points than unknowns, or
 * for one at or below zero.
 */
export function powerLaw(points: readonly {x: number; y: number}[], exponent?: number): PowerLaw {
  const needed = exponent === undefined ? 2 : 1;
  if (new Set(points.map(({x}) => x)).size < needed) {
    throw new ManyHandsError(
      'BAD_DATA',
      `powerLaw: ${needed} points with different x are needed, there are ${points.length}.`,
    );
  }
  const wrong = points.find(({x, y}) => !(x > 0) || !(y > 0));
  if (wrong)
    throw new ManyHandsError(
      'BAD_DATA',
      `powerLaw: x and y must be above zero; a point is x = ${wrong.x}, y = ${wrong.y}.`,
    );
  const logs = points.map(({x, y}) => [Math.log(x), Math.log(y)] as const);
  const mean = (at: 0 | 1): number => logs.reduce((sum, log) => sum + log[at], 0) / logs.length;
  const [middleX, middleY] = [mean(0), mean(1)];
  const slope =
    exponent ??
    logs.reduce((sum, [x, y]) => sum + (x - middleX) * (y - middleY), 0) /
      logs.reduce((sum, [x]) => sum + (x - middleX) ** 2, 0);
  const factor = Math.exp(middleY - slope * middleX);
  return {factor, exponent: slope, at: (x) => factor * x ** slope};
}
