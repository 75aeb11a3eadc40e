/**
 * Which of the known names a mistyped name was meant to be.
 */

/**
 * The name at the smallest edit distance (Levenshtein), upper and lower case alike; of several the
 * first. Undefined where no name is within `furthest` edits.
 */
export function nearest(
  name: string,
  known: readonly string[],
  furthest = Infinity,
): string | undefined {
  let best: {name: string; distance: number} | undefined;
  for (const candidate of known) {
    const distance = editDistance(name.slice(0, 100).toLowerCase(), candidate.toLowerCase());
    if (distance <= furthest && (!best || distance < best.distance))
      best = {name: candidate, distance};
  }
  return best?.name;
}

function editDistance(from: string, to: string): number {
  let row = Array.from({length: to.length + 1}, (_, column) => column);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, replaced));
    }
    row = next;
  }
  return row[to.length]!;
}
