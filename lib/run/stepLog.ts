/**
 * The loss and the time of every step of a run, in 16 bytes a step: a long run must not grow by an
 * object for each.
 */

const FIRST_STEPS = 1024;

export class StepLog {
  /** Loss and seconds, one step after the other. */
  private numbers = new Float64Array(2 * FIRST_STEPS);
  private count = 0;

  /** The number of steps. */
  get length(): number {
    return this.count;
  }

  add(loss: number, seconds: number): void {
    if (2 * this.count === this.numbers.length) {
      const larger = new Float64Array(2 * this.numbers.length);
      larger.set(this.numbers);
      this.numbers = larger;
    }
    this.numbers[2 * this.count] = loss;
    this.numbers[2 * this.count + 1] = seconds;
    this.count += 1;
  }

  /** All steps, as a run's record lists them. */
  list(): Array<{loss: number; seconds: number}> {
    return Array.from({length: this.count}, (_, i) => ({
      loss: this.numbers[2 * i],
      seconds: this.numbers[2 * i + 1],
    }));
  }
}
