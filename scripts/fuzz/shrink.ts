/**
 * Shrinks a failure: takes each simpler form that still fails in the same way.
 */
import {checkProgram, type Failure} from './check';
import {simpler, type Candidate} from './simplify';

/** The words of an error without the values in it. */
const skeleton = (line: string) => line.replace(/'[^']*'|\d+(\.\d+)?(e-?\d+)?/g, '').slice(0, 60);

const sameFault = (a: Failure, b: Failure) =>
  a.kind === b.kind &&
  a.fitFails === b.fitFails &&
  (a.kind !== 'error' || skeleton(a.lines[0]) === skeleton(b.lines[0]));

async function failureOf({program, run}: Candidate): Promise<Failure | null> {
  const {failures} = await checkProgram({...program, runs: [run]});
  return failures.find((failure) => failure.run.name === run.name) ?? null;
}

/** The simplest form of `failure` that at most `tries` attempts find. */
export async function shrink(failure: Failure, tries: number): Promise<Failure> {
  let best = failure;
  let left = tries;
  for (let progress = true; progress && left > 0; ) {
    progress = false;
    for (const candidate of simpler(best)) {
      if (left-- <= 0) break;
      const smaller = await failureOf(candidate).catch(() => null);
      if (!smaller || !sameFault(smaller, failure)) continue;
      best = smaller;
      progress = true;
      break;
    }
  }
  return best;
}
