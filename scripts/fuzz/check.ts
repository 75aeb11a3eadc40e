/**
 * Checks one program: every run must equal its reference or be refused before training.
 */
import {compare, spread, type Difference} from './compare';
import {runFit, runLibrary, type Observed, type Outcome} from './observe';
import {
  isRandom,
  quiet,
  usesBatchStatistics,
  type Program,
  type RunSpec,
  type Value,
} from './program';

/** A run that neither equals its reference nor is refused. */
export interface Failure {
  program: Program;
  run: RunSpec;
  /** The kind of fault, which shrinking keeps. */
  kind: string;
  reference: 'fit' | 'train';
  lines: string[];
}

export interface Refusal {
  run: string;
  code: string;
  message: string;
  /** Whether fit fails too. */
  fitFails: boolean;
}

export interface Checked {
  failures: Failure[];
  refusals: Refusal[];
  /** The names of runs that equal their reference. */
  equal: string[];
  /** Comparisons that a rounding decides. */
  skipped: string[];
  /** fit itself throws. */
  fitFails: string | null;
}

/** Noise in the first weights moves a result by less than this share of a difference. */
const CONTROL = 10;
const NOISES = [1e-6, 2e-6];

const microBatchesOf = ({strategy, options}: RunSpec): number =>
  Number(
    (typeof strategy === 'object' && strategy !== null
      ? (strategy as Record<string, Value>).microBatches
      : undefined) ??
      options.microBatches ??
      1,
  );

/** The run of `train` that this run must equal; null where fit is the reference. */
function trainReference(program: Program, run: RunSpec): RunSpec | null {
  const {globalClipNorm} = run.options;
  const micro = microBatchesOf(run);
  const byParts = micro > 1 && usesBatchStatistics(program);
  if (!isRandom(program) && !program.sampleWeight && globalClipNorm === undefined && !byParts)
    return null;
  const options = {
    ...(globalClipNorm === undefined ? {} : {globalClipNorm}),
    ...(byParts ? {microBatches: micro} : {}),
  };
  return {name: 'train', devices: 1, options};
}

/** The kinds of difference; a failure has the first that was seen. */
const KINDS = ['moved', 'loss', 'history', 'batch logs', 'weights', 'optimizer', 'leak', 'warning'];

/** An error without its numbers: a rank sees another number of samples. */
const bare = (message: string) => message.replace(/\d+|[[\],]/g, '');

const finite = ({losses}: Observed) => losses.every(Number.isFinite);

class Checking {
  readonly result: Checked = {failures: [], refusals: [], equal: [], skipped: [], fitFails: null};
  private readonly references = new Map<string, Promise<Outcome>>();

  private reference(program: Program, run: RunSpec | null, noise = 0): Promise<Outcome> {
    const key = JSON.stringify([
      isRandom(program),
      program.sampleWeight,
      run?.options,
      !run,
      noise,
    ]);
    if (!this.references.has(key))
      this.references.set(key, run ? runLibrary(program, run, noise) : runFit(program, noise));
    return this.references.get(key)!;
  }

  /** The differences that noise in the first weights does not explain. */
  private async explained(
    program: Program,
    run: RunSpec | null,
    expected: Observed,
    differences: Difference[],
  ): Promise<Difference[]> {
    if (!differences.some(({measured}) => measured)) return differences;
    const most = new Map<string, number>();
    for (const noise of NOISES) {
      const noisy = await this.reference(program, run, noise);
      if (noisy.kind !== 'ran') return differences;
      for (const [key, value] of spread(noisy.observed, expected))
        most.set(key, Math.max(most.get(key) ?? 0, value));
    }
    return differences.filter(
      ({measured}) => !measured || measured.apart > CONTROL * (most.get(measured.key) ?? 0),
    );
  }

  private fail(program: Program, run: RunSpec, kind: string, lines: string[]): void {
    const reference = trainReference(program, run) ? 'train' : 'fit';
    this.result.failures.push({program, run, kind, reference, lines});
  }

  async check(program: Program, run: RunSpec): Promise<void> {
    const referenceRun = trainReference(program, run);
    const expected = await this.reference(program, referenceRun);
    const sameRun =
      referenceRun &&
      run.strategy === undefined &&
      JSON.stringify(run.options) === JSON.stringify(referenceRun.options);
    const actual = sameRun ? expected : await runLibrary(program, run);
    if (!referenceRun && expected.kind !== 'ran') this.result.fitFails = expected.message;
    if (actual.kind === 'refused') {
      const {code, message, touched} = actual;
      const mayTouch = program.actions.length > 0;
      if (touched && !mayTouch)
        this.fail(program, run, 'refused late', [`${code}: ${message}`, `${touched} has changed`]);
      this.result.refusals.push({
        run: run.name,
        code,
        message,
        fitFails: expected.kind !== 'ran',
      });
      return;
    }
    if (actual.kind === 'failed') {
      const notFinite =
        expected.kind === 'ran'
          ? !finite(expected.observed)
          : expected.message.startsWith('NOT_FINITE');
      const fitFailsToo =
        expected.kind !== 'ran' && bare(actual.message).includes(bare(expected.message));
      if (fitFailsToo)
        this.result.refusals.push({
          run: run.name,
          code: 'as fit',
          message: expected.message,
          fitFails: true,
        });
      else if (notFinite && actual.message.startsWith('NOT_FINITE'))
        this.result.equal.push(run.name);
      else {
        const kind = /^(ABORTED|TIMEOUT)/.test(actual.message) ? 'hang' : 'error';
        const reason = expected.kind === 'ran' ? '' : `the reference: ${expected.message}`;
        this.fail(program, run, kind, [actual.message, reason].filter(Boolean));
      }
      return;
    }
    if (expected.kind !== 'ran') {
      if (!referenceRun) this.fail(program, run, 'accepted', [`fit fails: ${expected.message}`]);
      return;
    }
    await this.compare(program, run, referenceRun, actual.observed, expected.observed);
  }

  private async compare(
    program: Program,
    run: RunSpec,
    referenceRun: RunSpec | null,
    actual: Observed,
    expected: Observed,
  ): Promise<void> {
    const differences = compare(actual, expected, program.optimizer);
    const left = await this.explained(program, referenceRun, expected, differences);
    if (left.length < differences.length) this.result.skipped.push(run.name);
    if (left.length === 0) this.result.equal.push(run.name);
    else {
      const kinds = left.map(({what}) => what);
      const kind = KINDS.find((name) => kinds.includes(name)) ?? kinds[0];
      this.fail(
        program,
        run,
        kind,
        left.map(({text}) => text),
      );
    }
  }
}

/** Checks all runs of a program. Without randomness or sample weights, `train` also equals fit. */
export async function checkProgram(program: Program): Promise<Checked> {
  const checking = new Checking();
  if (isRandom(program) || program.sampleWeight) {
    const [run] = program.runs;
    const plain = {...quiet(program), sampleWeight: false};
    await checking.check(plain, {
      ...run,
      options: {},
      strategy: undefined,
      devices: 1,
      name: 'train',
    });
  }
  for (const run of program.runs) await checking.check(program, run);
  return checking.result;
}
