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

describe('a long run', () => {
  it.each(STRATEGIES)(
    'does not grow with its steps, in the caller or in a worker (%s)',
    (strategy) => {
      const samples = soak(strategy);
      expect(Object.keys(samples)).toHaveLength(strategy === 'train' ? 2 : 3);
      for (const [who, list] of Object.entries(samples)) {
        // Code is compiled and caches fill during the first steps.
        const from = list.find(({calls}) => calls >= 2000)!;
        const to = list[list.length - 1];
        expect(to.calls, who).toBeGreaterThanOrEqual(5000);
        const steps = to.calls - from.calls;
        expect((to.held - from.held) / steps, `${who}: bytes a step`).toBeLessThan(150);
        expect((to.rss - from.rss) / 1e6, `${who}: MB of the process`).toBeLessThan(30);
      }
    },
    300_000,
  );
});
