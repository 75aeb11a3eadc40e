/**
 * Which of the known names a mistyped one was meant to be.
 */

/**
 * The name at the smallest edit distance (Levenshtein), the first of equals; undefined where there
 * are no names.
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: {name: string; distance: number} | undefined;
  for (const one of known) {
    const distance = editDistance(name.slice(0, 100).toLowerCase(), one.toLowerCase());
    if (!best || distance < best.distance) best = {name: one, distance};
  }
  return best?.name;
}

function editDistance(one: string, other: string): number {
  let row = Array.from({length: other.length + 1}, (_, at) => at);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      next.push(
        Math.min(
          row[j]! + 1,
          next[j - 1]! + 1,
          row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1),
        ),
      );
    }
    row = next;
  }
  return row[other.length]!;
}
