/** Schedules as data: what they promise, what a check refuses, what a played one shows. */
import {describe, expect, it} from 'vitest';
import {checkSchedule} from '#lib/pipelineParallel/checkSchedule.js';
import {simulateSchedule} from '#lib/pipelineParallel/simulateSchedule.js';
import {
  schedule,
  scheduleText,
  type Action,
  type Schedule,
} from '#lib/pipelineParallel/schedule.js';
import {
  bubbleFormula,
  pipelineSchedule,
  promisedLive,
  SCHEDULE_NAMES,
  type ScheduleName,
} from '#lib/pipelineParallel/namedSchedules.js';

const sizesOf = (name: ScheduleName) =>
  [1, 2, 3, 4, 5, 8].flatMap((ranks) =>
    [1, 2, 3, 4, 5, 6, 7, 8, 12, 16].flatMap((microBatches) =>
      (name === 'interleaved-1f1b' ? [2, 3] : [1]).flatMap((stagesPerRank) =>
        name === 'interleaved-1f1b' && microBatches % ranks !== 0
          ? []
          : [{ranks, microBatches, stagesPerRank}],
      ),
    ),
  );

describe.each(SCHEDULE_NAMES)('%s', (name) => {
  it('is complete and free of deadlock, and keeps what it promises', () => {
    for (const sizes of sizesOf(name)) {
      const promised = promisedLive(name, sizes);
      expect(checkSchedule(pipelineSchedule(name, sizes), promised).live).toEqual(promised);
    }
  });

  it('has the bubble of its formula', () => {
    for (const sizes of sizesOf(name)) {
      // The formula of zero-bubble takes a pipe that is once full.
      if (name === 'zero-bubble' && sizes.microBatches < sizes.ranks) continue;
      const {bubble, total} = simulateSchedule(pipelineSchedule(name, sizes));
      expect(bubble, JSON.stringify(sizes)).toBeCloseTo(bubbleFormula(name, sizes), 12);
      if (name === '1f1b') expect(total).toBe(3 * (sizes.microBatches + sizes.ranks - 1));
    }
  });
});

describe('the published order', () => {
  it('of 1F1B', () =>
    expect(scheduleText(pipelineSchedule('1f1b', {ranks: 3, microBatches: 4}))).toEqual([
      'F1 F2 F3 B1 F4 B2 B3 B4',
      'F1 F2 B1 F3 B2 F4 B3 B4',
      'F1 B1 F2 B2 F3 B3 F4 B4',
    ]));
  it('of interleaved 1F1B', () =>
    expect(scheduleText(pipelineSchedule('interleaved-1f1b', {ranks: 2, microBatches: 2}))).toEqual(
      ['F1 F2 F1.2 F2.2 B1.2 B2.2 B1 B2', 'F1 F2 F1.2 B1.2 F2.2 B2.2 B1 B2'],
    ));
  it('of zero-bubble', () =>
    expect(scheduleText(pipelineSchedule('zero-bubble', {ranks: 2, microBatches: 3}))).toEqual([
      'F1 F2 I1 W1 F3 I2 W2 I3 W3',
      'F1 I1 F2 I2 W1 F3 I3 W2 W3',
    ]));
});

describe('a schedule that cannot be', () => {
  const wrong: Array<[string, string[], RegExp]> = [
    ['leaves a forward out', ['F1 B1', 'B1'], /rank 1 does B1 before F1/],
    [
      'leaves a backward out',
      ['F1 F2 B1 B2', 'F1 B1 F2'],
      /rank 1 never does B2; every rank takes each of the 2 micro-batches/,
    ],
    ['leaves a micro-batch out', ['F1 B1 F2 B2', 'F1 B1'], /rank 1 never does F2/],
    ['leaves the weights out', ['F1 I1 W1', 'F1 I1'], /rank 1 never does W1/],
    ['does something twice', ['F1 F1 B1', 'F1 B1'], /rank 0 does F1 twice/],
    ['goes back both ways', ['F1 B1 I1 W1', 'F1 B1'], /both I1 and B1/],
    ['has the weights first', ['F1 W1 I1', 'F1 B1'], /rank 0 does W1 before I1/],
    [
      'waits for ever',
      ['F1 B1 F2 B2', 'F2 B2 F1 B1'],
      /deadlock: rank 0 at recv B1, rank 1 at recv F2 wait for a message that is sent only later/,
    ],
  ];
  it.each(wrong)('%s', (_, lines, message) =>
    expect(() => checkSchedule(schedule('mine', lines))).toThrow(message),
  );

  it('says more than it promised', () =>
    expect(() => checkSchedule(schedule('mine', ['F1 F2 B1 B2', 'F1 B1 F2 B2']), [1, 1])).toThrow(
      /rank 0 keeps the activations of 2 micro-batches at once; the schedule promises at most 1/,
    ));
  it('is written in letters that it has not', () =>
    expect(() => schedule('mine', ['F0 B0'])).toThrow(
      /rank 0 has "F0" .*; write F1 for the forward/,
    ));

  const messages = (change: (actions: Action[][]) => void): Schedule => {
    const {name, actions} = schedule('mine', ['F1 B1', 'F1 B1']);
    change(actions);
    return {name, actions};
  };
  it('sends what nobody receives', () =>
    expect(() => checkSchedule(messages((a) => void a[1].splice(0, 1)))).toThrow(
      /rank 1 does F1 before recv F1, which brings its input/,
    ));
  it('receives what nobody sends', () =>
    expect(() => checkSchedule(messages((a) => void a[0].splice(1, 1)))).toThrow(
      /rank 1's recv F1 has no send on the other rank/,
    ));
  it('sends before it has', () =>
    expect(() => checkSchedule(messages((a) => void a[0].unshift(a[0].splice(1, 1)[0])))).toThrow(
      /rank 0 does send F1 before F1, which makes it/,
    ));
  it('has no update', () =>
    expect(() => checkSchedule(messages((a) => void a[0].pop()))).toThrow(
      /rank 0 has no update at the end of its list/,
    ));
  it('updates before it is done', () =>
    expect(() => checkSchedule(messages((a) => void a[0].unshift(a[0].pop()!)))).toThrow(
      /rank 0 updates its weights before F1/,
    ));
  it('is no schedule', () =>
    expect(() => checkSchedule({name: 'x'} as Schedule)).toThrow(
      /a schedule is \{name, actions\}/,
    ));
  it('has an action of another kind', () =>
    expect(() =>
      checkSchedule(messages((a) => void a[1].splice(0, 1, {do: 'rest'} as unknown as Action))),
    ).toThrow(/action 0 of rank 1 is .*rest.*'do' is one of forward/));
  it('names a neighbour that is not there', () =>
    expect(() => checkSchedule(messages((a) => void Object.assign(a[0][1], {peer: 5})))).toThrow(
      /action 1 of rank 0 names the peer 5; it must be another of ranks 0 to 1/,
    ));
});

describe('sizes that cannot be', () => {
  it('interleaved wants micro-batches that its ranks divide, and names the nearest two', () => {
    expect(() => pipelineSchedule('interleaved-1f1b', {ranks: 4, microBatches: 6})).toThrow(
      /microBatches 6 is not divisible by 4: take 4 or 8/,
    );
    expect(() => pipelineSchedule('interleaved-1f1b', {ranks: 4, microBatches: 3})).toThrow(
      /take 4\./,
    );
    expect(() =>
      pipelineSchedule('interleaved-1f1b', {ranks: 2, microBatches: 4, stagesPerRank: 1}),
    ).toThrow(/needs stagesPerRank of at least 2.*'1f1b'/);
  });
  it('others have one stage a rank', () =>
    expect(() => pipelineSchedule('gpipe', {ranks: 2, microBatches: 4, stagesPerRank: 2})).toThrow(
      /stagesPerRank: 2 gives each rank 2 stages, which the schedule 'gpipe' does not interleave/,
    ));
  it('an unknown name', () =>
    expect(() => pipelineSchedule('2f2b' as ScheduleName, {ranks: 2, microBatches: 4})).toThrow(
      /schedule must be 'naive', 'gpipe', '1f1b', 'interleaved-1f1b' or 'zero-bubble', or \{name, actions\}; it is "2f2b"/,
    ));
});

describe('the simulation', () => {
  it('counts the messages that are under way, and keeps to the room for them', () => {
    const gpipe = pipelineSchedule('gpipe', {ranks: 2, microBatches: 4});
    expect(simulateSchedule(gpipe).underWay).toBe(4);
    expect(simulateSchedule(gpipe, undefined, 3).underWay).toBe(3);
    expect(simulateSchedule(pipelineSchedule('gpipe', {ranks: 1, microBatches: 4})).underWay).toBe(
      0,
    );
  });
});
