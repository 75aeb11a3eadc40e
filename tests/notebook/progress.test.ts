import {spawnSync} from 'node:child_process';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import type {RunEvent, RunStart} from '#lib/base/events.js';
import {runBundle} from '#lib/notebook/cellProgress.js';
import {devicesWords, RunState} from '#lib/run/progress/runState.js';
import {progressLine, watchInTerminal} from '#lib/run/progress/terminalProgress.js';
import {throttle} from '#lib/run/progress/throttle.js';

const start: RunStart = {
  type: 'start',
  run: 1,
  devices: [
    {rank: 0, id: 'cpu', name: 'A CPU', threads: 1},
    {rank: 1, id: 'cpu', name: 'A CPU', threads: 1},
  ],
  strategy: 'dataParallel',
  epochs: 2,
  initialEpoch: 0,
  stepsPerEpoch: 4,
  batchSize: 50,
  samples: 200,
  metrics: ['loss', 'val_loss'],
  verbose: 1,
};
const step = (at: number, loss: number): RunEvent => ({
  type: 'step',
  run: 1,
  epoch: Math.floor(at / 4),
  step: at,
  samples: 50,
  seconds: 0.5,
  logs: {loss},
});
const epoch = (at: number, loss: number): RunEvent => ({
  type: 'epoch',
  run: 1,
  epoch: at,
  logs: {loss, val_loss: loss + 0.1},
});
const end: RunEvent = {type: 'end', run: 1, seconds: 4.25, samplesPerSecond: 94.1};

/** The events of the whole run, in order. */
const events: RunEvent[] = [
  ...[0, 1, 2, 3].map((at) => step(at, 2 - at / 4)),
  epoch(0, 1.5),
  ...[4, 5, 6, 7].map((at) => step(at, 1 - (at - 4) / 10)),
  epoch(1, 0.85),
  end,
];

function after(count: number): RunState {
  const state = new RunState(start);
  for (const event of events.slice(0, count)) state.add(event);
  return state;
}

describe('the state of a run in words', () => {
  it('begins with devices × threads', () => {
    expect(new RunState(start).devicesLine).toBe('2 devices: 2 × cpu (A CPU) × 1 thread');
    expect(devicesWords([{rank: 0, id: 'cuda:0', name: 'A GPU', threads: 0}])).toBe(
      "1 device: 1 × cuda:0 (A GPU) × the engine's own number of threads",
    );
  });

  it('says where it is, how fast, and how long it will take', () => {
    expect(after(0).speedLine).toBe('starting');
    expect(after(3).whereLine).toBe('epoch 1 of 2, step 3 of 4');
    expect(after(3).speedLine).toBe('100 samples/s, about 3 s left');
    expect(after(3).metricsLine).toBe('loss 1.50');
    expect(after(5).metricsLine).toBe('loss 1.50 · val_loss 1.60');
    expect(after(7).whereLine).toBe('epoch 2 of 2, step 2 of 4');
    expect(after(events.length).speedLine).toBe('94.1 samples/s, 4.25 s in all');
  });

  it('says that a run stopped, and why', () => {
    const state = after(3);
    state.add({
      type: 'end',
      run: 1,
      seconds: 2,
      samplesPerSecond: 75,
      error: new Error('rank 1 ran out of memory\nmore'),
    });
    expect(state.speedLine).toBe('stopped after 3 steps: rank 1 ran out of memory');
  });

  it('counts epochs from initialEpoch', () => {
    const state = new RunState({...start, initialEpoch: 1});
    state.add(step(4, 1));
    expect(state.totalSteps).toBe(4);
    expect(state.whereLine).toBe('epoch 2 of 2, step 1 of 4');
  });
});

describe('the cell', () => {
  it('shows devices, note, progress and a chart with its words', () => {
    const bundle = runBundle(after(3), 'this run uses the slow engine.');
    const html = String(bundle['text/html']);
    expect(html.indexOf('2 devices')).toBeLessThan(html.indexOf('Note:'));
    expect(html).toContain('<label>progress <progress max="8" value="3">');
    expect(html).toMatch(
      /<img src="data:image\/svg\+xml;base64,[^"]+" alt="Chart of the loss by step: 2 at step 1, 1.50 at step 3 of 8." width="640" height="260"/,
    );
    expect(html).not.toContain('<details>');
    expect(bundle['text/plain']).toContain('epoch 1 of 2, step 3 of 4 · 100 samples/s');
  });

  it('at the end gives the figures of every epoch', () => {
    const html = String(runBundle(after(events.length), undefined)['text/html']);
    expect(html).toMatch(/<details><summary>The figures of this chart<\/summary><table>/);
    expect(html).toContain('val_loss');
    expect(html).not.toContain('Note:');
  });

  it('draws a run whose loss is no number, and one without a step', () => {
    const state = new RunState(start);
    expect(String(runBundle(state, undefined)['text/html'])).toContain('no step of 8 is done yet');
    state.add(step(0, NaN));
    const svg = Buffer.from(
      /base64,([^"]+)/.exec(String(runBundle(state, undefined)['text/html']))![1]!,
      'base64',
    ).toString();
    expect(svg).not.toMatch(/="(NaN|[^"]*Infinity)/);
  });
});

describe('the terminal', () => {
  function told(isTTY: boolean, columns = 200): string {
    let written = '';
    const state = new RunState(start);
    const watcher = watchInTerminal(state, undefined, {
      isTTY,
      columns,
      write: (text) => (written += text),
    });
    for (const event of events) {
      state.add(event);
      if (event.type === 'end') watcher.ended();
      else watcher.changed();
      if (event.type === 'step' && event.step === 5)
        watcher.printed({type: 'output', run: 1, rank: 1, stream: 'stdout', text: 'hello\n'});
    }
    return written;
  }

  it('without a reader gets a line an epoch', () => {
    expect(told(false).split('\n')).toEqual([
      '2 devices: 2 × cpu (A CPU) × 1 thread',
      'epoch 1 of 2 · loss 1.50 · val_loss 1.60 · 100 samples/s, about 2 s left',
      '[rank 1] hello',
      'epoch 2 of 2 · loss 0.850 · val_loss 0.950 · 100 samples/s',
      '94.1 samples/s, 4.25 s in all',
      '',
    ]);
  });

  it('with a reader gets one line, rewritten in place, never wider than the terminal', () => {
    const lines = told(true, 60).split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[1]!.endsWith('[rank 1] hello')).toBe(true);
    const last = lines[2]!.split('\r\x1b[K').at(-1)!;
    expect(last).toMatch(/^\[#{20}\] epoch 2 of 2, step 4 of 4/);
    for (const frame of lines[2]!.split('\r\x1b[K')) expect(frame.length).toBeLessThan(60);
  });

  it('draws the bar in proportion', () => {
    expect(progressLine(after(4))).toMatch(/^\[#{10}-{10}\]/);
  });
});

describe('a program without a notebook', () => {
  const library = (path: string) => JSON.stringify(join(__dirname, '../../build/lib', path));
  const printed = (program: string) =>
    spawnSync(
      process.execPath,
      [
        '-e',
        `const {emitRun} = require(${library('base/events.js')});
         const {showRuns} = require(${library('run/progress/showRuns.js')});
         const tell = (verbose) => {
           emitRun({...${JSON.stringify(start)}, run: 1 + verbose, verbose});
           emitRun({type: 'output', run: 1 + verbose, rank: 1, stream: 'stderr', text: 'hello'});
           emitRun({type: 'end', run: 1 + verbose, seconds: 4, samplesPerSecond: 100});
         };
         console.error('begin');
         ${program}`,
      ],
      {encoding: 'utf8'},
    )
      .stderr.split('begin\n')[1]
      .replace(/^Note: .*\n/m, '');

  it('shows its runs on stderr from the first that trains, and nothing before', () => {
    expect(printed('tell(1);')).toBe('');
    expect(printed('showRuns(); showRuns(); tell(1);')).toBe(
      '2 devices: 2 × cpu (A CPU) × 1 thread\n[rank 1] hello\n100 samples/s, 4 s in all\n',
    );
  });

  it('shows only what workers print where verbose is 0', () =>
    expect(printed('showRuns(); tell(0);')).toBe('[rank 1] hello\n'));
});

describe('throttle', () => {
  it('draws at once, then no oftener than asked, then the last state', async () => {
    const drawn: number[] = [];
    let state = 0;
    const frames = throttle(() => drawn.push(state), 40);
    for (state = 1; state <= 100; state++) frames.request();
    expect(drawn).toEqual([1]);
    await new Promise((done) => setTimeout(done, 80));
    expect(drawn).toEqual([1, 101]);
    state = 102;
    frames.request();
    frames.request();
    state = 103;
    frames.finish();
    expect(drawn.at(-1)).toBe(103);
    const count = drawn.length;
    await new Promise((done) => setTimeout(done, 80));
    expect(drawn).toHaveLength(count);
  });
});
