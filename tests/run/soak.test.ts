import {execFileSync} from 'node:child_process';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';

interface Sample {
  calls: number;
  held: number;
  rss: number;
}

const STEPS = 5001;
const STRATEGIES = process.env.MANY_HANDS_FULL
  ? ['train', 'dataParallel', 'zero2', 'fsdp', 'tensorParallel', 'pipelineParallel']
  : ['train', 'dataParallel'];

function soak(strategy: string): Record<string, Sample[]> {
  const program = join(__dirname, 'fixtures', 'soak.cjs');
  const out = execFileSync(process.execPath, [program, strategy, String(STEPS)], {
    encoding: 'utf8',
    timeout: 280_000,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(out.trim().split('\n').pop()!) as Record<string, Sample[]>;
}

/**
 * Bytes of heap a step: the median of the slopes between all pairs of samples (Theil and Sen), since
 * a heap without a leak goes up and down by half a megabyte.
 */
function growth(samples: Sample[]): number {
  const slopes = samples.flatMap((from, i) =>
    samples.slice(i + 1).map((to) => (to.held - from.held) / (to.calls - from.calls)),
  );
  return slopes.sort((a, b) => a - b)[Math.floor(slopes.length / 2)];
}

describe('a long run', () => {
  it.each(STRATEGIES)(
    'does not grow with its steps, in the caller or in a worker (%s)',
    (strategy) => {
      const samples = soak(strategy);
      expect(Object.keys(samples)).toHaveLength(strategy === 'train' ? 2 : 3);
      for (const [who, list] of Object.entries(samples)) {
        // Code is compiled and caches fill during the first steps.
        const settled = list.filter(({calls}) => calls >= 1000);
        const [from, to] = [settled[0], settled[settled.length - 1]];
        expect(to.calls, who).toBeGreaterThanOrEqual(5000);
        expect(growth(settled), `${who}: bytes a step`).toBeLessThan(250);
        expect((to.rss - from.rss) / 1e6, `${who}: MB of the process`).toBeLessThan(30);
      }
    },
    300_000,
  );
});
