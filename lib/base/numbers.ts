/**
 * Arithmetic of whole numbers.
 */

/** All divisors of a whole number, in ascending order. */
export function divisors(n: number): number[] {
  const low: number[] = [];
  for (let k = 1; k * k <= n; k++) if (n % k === 0) low.push(k);
  return [
    ...low,
    ...low
      .map((k) => n / k)
      .reverse()
      .filter((k) => k * k > n),
  ];
}
