import {describe, expect, it} from 'vitest';
import {Region} from '#lib/memory/regions.js';

describe('memory of the program under tensors', () => {
  it('agrees with counting bytes one by one, whatever comes and goes', () => {
    const size = 40;
    const region = new Region(new ArrayBuffer(size), false);
    let live: {start: number; length: number; view: ReturnType<Region['add']>['view']}[] = [];
    let bytes = 0;
    // A fixed walk: multiplication modulo a prime.
    let state = 7;
    const draw = (below: number) => (state = (state * 48271) % 2147483647) % below;
    for (let i = 0; i < 500; i++) {
      if (live.length > 0 && draw(3) === 0) {
        const [gone] = live.splice(draw(live.length), 1);
        bytes -= region.remove(gone.view);
      } else {
        const start = draw(size);
        const length = draw(size - start + 1);
        const told = region.growth(start, length);
        const {view, grown} = region.add(start, length);
        expect(grown).toBe(told);
        bytes += grown;
        live.push({start, length, view});
      }
      const covered = new Set(
        live.flatMap(({start, length}) => Array.from({length}, (_, at) => start + at)),
      );
      expect(bytes).toBe(covered.size);
      expect(region.empty).toBe(live.length === 0);
    }
    for (const {view} of live) bytes -= region.remove(view);
    live = [];
    expect(bytes).toBe(0);
  });

  it('counts whole where any cut keeps all of it', () => {
    const region = new Region(new ArrayBuffer(100), true);
    const first = region.add(0, 100);
    const second = region.add(10, 20);
    expect([first.grown, second.grown, region.growth(50, 5)]).toEqual([100, 0, 0]);
    expect(region.remove(first.view)).toBe(0);
    expect(region.remove(second.view)).toBe(100);
  });
});
