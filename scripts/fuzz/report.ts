/**
 * Counts what a series of programs came to, and lists the refusals: what users miss.
 */
import type {Checked, Refusal} from './check';

export interface Tally {
  seeds: number;
  runs: number;
  equal: number;
  /** Trained although fit fails. */
  beyond: number;
  refused: number;
  skipped: number;
  failed: number;
  fitFails: number;
  /** By code and sentence, the most frequent first. */
  refusals: Array<{
    code: string;
    sentence: string;
    count: number;
    runs: string[];
    fitFails: number;
  }>;
}

/** A message without its names and numbers. */
const sentenceOf = (message: string): string =>
  message
    .split('\n')[0]
    .replace(/^rank \d+ of \d+: /, '')
    .replace(/\[[^\]]*\]/g, '[...]')
    .replace(/'[^']*'/g, "'...'")
    .replace(/\b\d+(\.\d+)?\b/g, 'N')
    .slice(0, 150);

export class Counting {
  private readonly checked: Checked[] = [];

  add(checked: Checked): void {
    this.checked.push(checked);
  }

  tally(): Tally {
    const count = (of: (checked: Checked) => number) =>
      this.checked.reduce((sum, checked) => sum + of(checked), 0);
    const refusals = new Map<string, Refusal[]>();
    for (const refusal of this.checked.flatMap((checked) => checked.refusals)) {
      const key = `${refusal.code} ${sentenceOf(refusal.message)}`;
      refusals.set(key, [...(refusals.get(key) ?? []), refusal]);
    }
    const equal = count((checked) => checked.equal.length);
    const refused = count((checked) => checked.refusals.length);
    const failed = count((checked) => checked.failures.length);
    const beyond = count((checked) => checked.beyond.length);
    return {
      seeds: this.checked.length,
      runs: equal + beyond + refused + failed,
      equal,
      beyond,
      refused,
      failed,
      skipped: count((checked) => checked.skipped.length),
      fitFails: this.checked.filter(({fitFails}) => fitFails !== null).length,
      refusals: [...refusals.values()]
        .map((list) => ({
          code: list[0].code,
          sentence: sentenceOf(list[0].message),
          count: list.length,
          runs: [...new Set(list.map(({run}) => run))].sort(),
          fitFails: list.filter(({fitFails}) => fitFails).length,
        }))
        .sort((a, b) => b.count - a.count),
    };
  }
}

export function tallyText(tally: Tally): string {
  const share = (count: number) => `${((100 * count) / Math.max(1, tally.runs)).toFixed(1)} %`;
  const rows = tally.refusals.map(
    ({code, sentence, count, runs, fitFails}) =>
      `${String(count).padStart(6)}  ${code.padEnd(12)} ${sentence}\n${' '.repeat(21)}in ${runs.join(', ')}${fitFails > 0 ? `; fit fails too in ${fitFails}` : ''}`,
  );
  return [
    `${tally.seeds} programs, ${tally.runs} runs: ${tally.equal} equal, ${tally.beyond} trained where fit fails, ${tally.refused} refused (${share(tally.refused)}), ${tally.failed} failed.`,
    `A rounding decided some comparison in ${tally.skipped} runs (${share(tally.skipped)}); fit itself failed on ${tally.fitFails} programs.`,
    ...(rows.length > 0 ? ['Refused, by sentence:', ...rows] : []),
    '',
  ].join('\n');
}
