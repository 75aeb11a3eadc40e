/**
 * The differential test: programs drawn by seed, whose runs with `train` and the strategies must
 * equal tfjs's own `model.fit` or be refused before training. `npm run fuzz` runs more of them.
 */
import {afterAll, describe, expect, it} from 'vitest';
import '#lib/devices/register.js';
import {checkProgram} from '#scripts/fuzz/check.js';
import {drawProgram} from '#scripts/fuzz/drawProgram.js';
import {printFailure} from '#scripts/fuzz/print.js';
import {STRATEGIES} from '#scripts/fuzz/runs.js';
import {shrink} from '#scripts/fuzz/shrink.js';
import {closeWorkers} from '#lib/workers/pool.js';

const SEEDS = Array.from({length: process.env.MANY_HANDS_FULL ? 300 : 40}, (_, i) => i + 1);
/** Attempts to shrink a failure: about 5 s. */
const TRIES = 60;

afterAll(closeWorkers);

describe('equals fit or is refused', () => {
  it.each(SEEDS)('seed %i', async (seed) => {
    const {failures} = await checkProgram(drawProgram(seed, STRATEGIES, 2));
    if (failures.length > 0)
      expect.unreachable(`\n${printFailure(await shrink(failures[0], TRIES))}`);
  });
});
