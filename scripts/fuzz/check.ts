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
  /** Whether fit itself fails. */
  fitFails: boolean;
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
  /** The names of runs that train although fit fails. */
  beyond: string[];
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

const TRAIN: RunSpec = {name: 'train', devices: 1, options: {}};

interface Reference {
  /** The run of train; null for fit. */
  run: RunSpec | null;
  outcome: Outcome;
  fitFails: boolean;
}

type Fail = (kind: string, ...lines: string[]) => void;

class Checking {
  readonly result: Checked = {
    ...{failures: [], refusals: [], equal: [], beyond: [], skipped: []},
    fitFails: null,
  };
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

  /** What a run must equal: fit, or train; where fit fails, what train makes of the program. */
  private async referenceOf(program: Program, run: RunSpec): Promise<Reference> {
    const byTrain = trainReference(program, run);
    const outcome = await this.reference(program, byTrain);
    if (outcome.kind === 'ran') return {run: byTrain, outcome, fitFails: false};
    if (byTrain) {
      const byFit = await this.reference({...quiet(program), sampleWeight: false}, null);
      return {run: byTrain, outcome, fitFails: byFit.kind !== 'ran'};
    }
    this.result.fitFails = outcome.message;
    const trained = await this.reference(program, TRAIN);
    return trained.kind === 'ran'
      ? {run: TRAIN, outcome: trained, fitFails: true}
      : {run: null, outcome, fitFails: true};
  }

  async check(program: Program, run: RunSpec): Promise<void> {
    const reference = await this.referenceOf(program, run);
    const isReference =
      reference.run &&
      run.strategy === undefined &&
      JSON.stringify(run.options) === JSON.stringify(reference.run.options);
    const actual = isReference ? reference.outcome : await runLibrary(program, run);
    const fail = (kind: string, ...lines: string[]) =>
      void this.result.failures.push({
        program,
        run,
        kind,
        reference: reference.run ? 'train' : 'fit',
        fitFails: reference.fitFails,
        lines,
      });
    // Where neither fit nor train runs a program, there is nothing that a strategy must equal.
    const isFree = reference.fitFails && (isReference || reference.outcome.kind === 'failed');
    if (isFree && actual.kind === 'ran') this.result.beyond.push(run.name);
    else if (actual.kind === 'refused') this.refused(program, run, actual, reference, fail);
    else if (actual.kind === 'failed') this.failed(run, actual.message, reference, fail);
    else if (reference.outcome.kind !== 'ran') fail('accepted', reference.outcome.message);
    else await this.compare(program, run, reference, actual.observed, fail);
  }

  private refused(
    program: Program,
    run: RunSpec,
    {code, message, touched}: Extract<Outcome, {kind: 'refused'}>,
    {fitFails}: Reference,
    fail: Fail,
  ): void {
    this.result.refusals.push({run: run.name, code, message, fitFails});
    // A callback may do what is refused at that moment.
    if (touched && program.actions.length === 0)
      fail('refused late', `${code}: ${message}`, `${touched} has changed`);
  }

  private failed(run: RunSpec, message: string, {outcome}: Reference, fail: Fail): void {
    const notFinite =
      outcome.kind === 'ran' ? !finite(outcome.observed) : /^NOT_FINITE/.test(outcome.message);
    if (notFinite && message.startsWith('NOT_FINITE')) {
      this.result.equal.push(run.name);
      return;
    }
    const expected = outcome.kind === 'ran' ? null : outcome.message;
    if (expected !== null && bare(message).includes(bare(expected))) {
      this.result.refusals.push({run: run.name, code: 'as fit', message: expected, fitFails: true});
      return;
    }
    const kind = /^(ABORTED|TIMEOUT)/.test(message) ? 'hang' : 'error';
    fail(kind, message, ...(expected === null ? [] : [`the reference: ${expected}`]));
  }

  private async compare(
    program: Program,
    run: RunSpec,
    reference: Reference,
    actual: Observed,
    fail: Fail,
  ): Promise<void> {
    const {observed: expected} = reference.outcome as Extract<Outcome, {kind: 'ran'}>;
    const differences = compare(actual, expected, program.optimizer);
    const left = await this.explained(program, reference.run, expected, differences);
    if (left.length < differences.length) this.result.skipped.push(run.name);
    if (left.length === 0) {
      this.result.equal.push(run.name);
      return;
    }
    const kinds = left.map(({what}) => what);
    const kind = KINDS.find((name) => kinds.includes(name)) ?? kinds[0];
    fail(kind, ...left.map(({text}) => text));
  }
}

/** Checks all runs of a program. Without randomness or sample weights, `train` also equals fit. */
export async function checkProgram(program: Program): Promise<Checked> {
  const checking = new Checking();
  if (isRandom(program) || program.sampleWeight) {
    await checking.check({...quiet(program), sampleWeight: false}, TRAIN);
  }
  for (const run of program.runs) await checking.check(program, run);
  return checking.result;
}
