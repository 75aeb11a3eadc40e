import {execFileSync} from 'node:child_process';
import {join, resolve} from 'node:path';
import {describe, expect, it} from 'vitest';
import {coursePython} from '#scripts/root.js';

describe("train in a notebook's kernel", () => {
  it('is stopped by an interrupt, leaves the kernel well, and takes its worker along when the kernel is killed', () => {
    const out = execFileSync(
      coursePython(),
      [join(__dirname, 'interrupt.py'), resolve('notebooks')],
      {encoding: 'utf8', timeout: 120_000, stdio: ['ignore', 'pipe', 'ignore']},
    );
    const seen = JSON.parse(out.trim().split('\n').pop()!) as Record<string, unknown>;
    expect(seen).toMatchObject({
      first: 'ok',
      interrupted: 'error',
      again: ['ok', expect.stringContaining('trained 1')],
      left: [],
    });
    expect(seen.workers).toBeGreaterThan(0);
  }, 130_000);
});
