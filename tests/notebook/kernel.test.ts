import {spawnSync} from 'node:child_process';
import {resolve} from 'node:path';
import {describe, expect, it} from 'vitest';

interface Sent {
  cell: number;
  status?: string;
  stream?: string;
  text?: string;
  update?: boolean;
  id?: string;
  data?: Record<string, unknown>;
}

const library = (file: string): string => JSON.stringify(resolve('build/lib', file));

function run(...cells: string[]): Sent[] {
  const child = spawnSync(
    process.execPath,
    [resolve('tests/notebook/cells.cjs'), JSON.stringify(cells)],
    {encoding: 'utf8'},
  );
  if (child.status !== 0) throw new Error(child.stderr);
  return JSON.parse(child.stdout) as Sent[];
}

describe('in a tslab kernel', () => {
  const sent = run(
    `const display = require(${library('notebook/display.js')});
     display.showHtml({html: '<b>x</b>', text: 'x'});
     const live = display.newLiveDisplay();
     live.show({'text/plain': 'first'});
     live.show({'image/png': new Uint8Array([1, 2, 3]), 'text/plain': 'second'});
     console.log('kernel', display.inKernel());`,
    `live.show({'text/plain': 'third'});`,
    `const events = require(${library('base/events.js')});
     const {listenToRuns} = require(${library('notebook/listen.js')});
     listenToRuns(); listenToRuns();
     for (const verbose of [1, 0]) {
       const run = 1 + verbose;
       events.emitRun({type: 'start', run: run, devices: [{rank: 0, id: 'cpu', name: 'A CPU', threads: 2}], strategy: 'one device', epochs: 1, initialEpoch: 0, stepsPerEpoch: 400, batchSize: 8, samples: 3200, metrics: ['loss'], verbose: verbose});
       for (let step = 0; step < 400; step++) {
         events.emitRun({type: 'step', run: run, epoch: 0, step: step, samples: 8, seconds: 0.01, logs: {loss: 2 / (1 + step)}});
         if (step === 200) events.emitRun({type: 'output', run: run, rank: 0, stream: 'stdout', text: 'from the worker'});
       }
       events.emitRun({type: 'epoch', run: run, epoch: 0, logs: {loss: 0.01, val_loss: 0.02}});
       events.emitRun({type: 'end', run: run, seconds: 4, samplesPerSecond: 800});
     }`,
  );
  const displays = (cell: number): Sent[] =>
    sent.filter((message) => message.cell === cell && message.data);

  it('runs the cells', () => {
    expect(sent.filter(({status}) => status).map(({status}) => status)).toEqual(['ok', 'ok', 'ok']);
    expect(sent.find(({stream}) => stream === 'stdout')?.text).toBe('kernel true\n');
  });

  it('shows HTML with its words', () => {
    expect(displays(0)[0]!.data).toEqual({'text/html': '<b>x</b>', 'text/plain': 'x'});
    expect(displays(0)[0]!.update).toBe(false);
  });

  it('replaces a live display where it stands, bytes in base64', () => {
    const [, first, second] = displays(0);
    expect(first!.update).toBe(false);
    expect(second).toMatchObject({
      update: true,
      id: first!.id,
      data: {'image/png': 'AQID', 'text/plain': 'second'},
    });
  });

  it('keeps writing into the cell that began the display', () => {
    expect(displays(1)).toEqual([]);
    expect(displays(0).at(-1)).toMatchObject({update: true, data: {'text/plain': 'third'}});
  });

  it('shows a run once, seldom while it goes on, whole at its end; verbose 0 shows nothing but what a worker prints', () => {
    const shown = displays(2);
    expect(new Set(shown.map(({id}) => id)).size).toBe(1);
    expect(shown.length).toBeGreaterThanOrEqual(2);
    // 400 steps within a moment: a draw for each would be 400.
    expect(shown.length).toBeLessThan(40);
    const html = String(shown.at(-1)!.data!['text/html']);
    expect(html).toMatch(/^<p><strong>1 device: 1 × cpu \(A CPU\) × 2 threads<\/strong>/);
    expect(html).toContain('step 400 of 400');
    expect(html).toContain('800 samples/s');
    expect(html).toContain('val_loss 0.0200');
    expect(html).toContain('<details>');
    expect(html).not.toContain('<svg');
    expect(
      sent
        .filter(({cell, stream}) => cell === 2 && stream === 'stdout')
        .map(({text}) => text)
        .join(''),
    ).toBe('[rank 0] from the worker\n'.repeat(2));
  });
});
