/**
 * Drawing no oftener than an eye can follow.
 */

/**
 * A `draw` that is called at once, then at most every `milliseconds`; what comes in between is
 * drawn when they are over.
 */
export interface Throttled {
  request(): void;
  /** Draws now, and never again by itself: the final state. */
  finish(): void;
}

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
      // A picture that is due keeps no program alive.
      timer.unref();
    },
    finish: now,
  };
}
