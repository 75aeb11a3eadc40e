/**
 * Limits how often something is drawn.
 */

/** A drawing function with a limited rate. */
export interface Throttled {
  /** Draws now, or when the interval is over; requests within an interval are drawn once. */
  request(): void;
  /** Draws the final state now. */
  finish(): void;
}

/** Limits `draw` to one call every `milliseconds`; the first request draws at once. */
export function throttle(draw: () => void, milliseconds: number): Throttled {
  let last = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  const now = (): void => {
    clearTimeout(timer);
    timer = undefined;
    last = performance.now();
    draw();
  };
  return {
    request() {
      if (timer !== undefined) return;
      const wait = last + milliseconds - performance.now();
      if (wait <= 0) return now();
      timer = setTimeout(now, wait);
      // A pending draw must not keep the program alive.
      timer.unref();
    },
    finish: now,
  };
}
