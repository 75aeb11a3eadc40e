import {median, powerLaw} from '#lib/base/statistics.js';
import {describe, expect, it} from 'vitest';
import {type Figure, template} from '#lib/notebook/figure.js';
import {figurePage} from '#lib/notebook/figureFile.js';
import {barsFigure} from '#lib/notebook/figures/bars.js';
import {growthFigure} from '#lib/notebook/figures/growth.js';
import {lossFigure} from '#lib/notebook/figures/loss.js';
import {memoryFigure} from '#lib/notebook/figures/memory.js';
import {timelineFigure} from '#lib/notebook/figures/timeline.js';
import {timeSpentFigure} from '#lib/notebook/figures/timeSpent.js';
import {contrast, kindStyles, rankStyle} from '#lib/notebook/palette.js';
import type {Span, SpanKind} from '#lib/trace/spans.js';

const run = {
  history: {epoch: [0, 1], history: {loss: [0.9, 0.4], val_loss: [0.8, 0.5]}},
  record: {steps: [1.5, 1.2, 0.9, 0.6, 0.5, 0.4].map((loss) => ({loss}))},
};
const spans: Span[] = [0, 1].flatMap((rank) =>
  (Object.keys(kindStyles) as SpanKind[]).map((kind, at) => ({
    rank,
    step: 0,
    kind,
    name: 'dense',
    start: 5 + at * 0.01,
    wallSeconds: 0.01,
    cpuSeconds: 0.004 + 0.001 * rank,
  })),
);
const growth = growthFigure({
  title: 'Growth',
  x: 'parameters',
  y: 'a step',
  unit: 'seconds',
  series: [
    {
      name: 'one device',
      points: [10, 100, 1000].map((x) => ({
        x,
        values: [3, 1, 2, 2.5, 1.5].map((value) => value * x),
      })),
      extrapolate: {to: [1e6]},
    },
  ],
});
const bars = barsFigure({
  title: 'Speed',
  y: 'speed',
  unit: 'samples/s',
  bars: [
    {name: 'one', values: [3, 1, 2]},
    {name: '2', values: 5},
  ],
});
const memory = memoryFigure({
  title: 'Memory',
  limit: 5e6,
  bars: [
    {name: 'a', byCategory: {parameters: 1e6, activations: 3e6}},
    {name: 'b', byCategory: {parameters: 2e6, optimizer: 4e6}},
  ],
});
const figures: Record<string, Figure> = {
  loss: lossFigure(run),
  losses: lossFigure({a: run, b: {history: {loss: [1, 2]}}}),
  timeSpent: timeSpentFigure({spans}),
  growth,
  bars,
  memory,
  timeline: timelineFigure({spans}),
};
type Trace = Record<string, unknown> & {
  name?: string;
  marker?: Record<string, unknown>;
  line?: Record<string, unknown>;
  x: unknown[];
  y: unknown[];
};
const traces = (figure: Figure): Trace[] => figure.plotly.data as unknown as Trace[];

describe.each(Object.entries(figures))('%s', (_, figure) => {
  const [picture, words] = figure.outputs;

  it('is plotly JSON as an object, with its title and alt text as words', () => {
    const plotly = picture!['application/vnd.plotly.v1+json'] as {
      data: unknown[];
      layout: {height: number; title: {text: string}};
    };
    expect(JSON.parse(JSON.stringify(plotly))).toEqual(plotly);
    expect(plotly.data.length).toBeGreaterThan(0);
    expect(plotly.layout.height).toBeGreaterThan(100);
    expect(plotly.layout.title.text).toBe(figure.title);
    expect(picture!['text/plain']).toBe(`${figure.title}\n${figure.alt}`);
    expect(figure.alt).toMatch(/\.$/);
    expect(JSON.stringify(plotly)).not.toContain('null,null');
  });

  it('gives words and numbers that need neither script nor SVG', () => {
    expect(words!['text/html']).toMatch(
      /^<p>.+<\/p><details><summary>The numbers of this figure<\/summary><table>.+<\/table><\/details>$/s,
    );
    expect(words!['text/html']).not.toMatch(/<(script|svg|style)/);
    expect(figure.tableHtml.match(/<tr>/g)!.length).toBeGreaterThan(1);
  });
});

describe('the look of figures', () => {
  it('has ink with AA contrast on its own card, whatever the theme', () => {
    expect(
      contrast(template.layout.font.color, template.layout.paper_bgcolor),
    ).toBeGreaterThanOrEqual(4.5);
    expect(template.layout.plot_bgcolor).toBe(template.layout.paper_bgcolor);
  });

  it('shows on two curves the difference by marker and dash too', () => {
    const lines = traces(figures.losses!);
    expect(
      new Set(lines.map(({marker, line}) => `${String(marker?.symbol)} ${String(line?.dash)}`))
        .size,
    ).toBe(lines.length);
  });
});

describe('lossFigure', () => {
  it('draws steps, epochs and validation over epochs', () => {
    const [steps, epochs, validation] = traces(figures.loss!);
    expect(steps!.x.at(-1)).toBe(2);
    expect(epochs!.y).toEqual([0.9, 0.4]);
    expect(validation!.y).toEqual([0.8, 0.5]);
    expect(figures.loss!.alt).toContain(
      'The mean loss of an epoch goes from 0.900 to 0.400 over 2 epochs; validation loss 0.500',
    );
  });

  it('counts steps where a point stands for so many', () => {
    const figure = lossFigure(
      {a: {history: {loss: [3, 2]}}, b: {history: {loss: [4, 1]}}},
      'Steps',
      {stepsAPoint: 5},
    );
    expect(traces(figure)[0]!.x).toEqual([5, 10]);
    expect(figure.alt).toContain(
      'a: The mean loss of 5 steps goes from 3 to 2 over 10 steps'.replace('The', 'the'),
    );
    expect(figure.tableHtml).toContain('>10<');
  });

  it('takes a history alone, and refuses what has none', () => {
    expect(traces(lossFigure({history: {loss: [1, 2]}}))).toHaveLength(1);
    expect(() => lossFigure({history: {acc: [1]}})).toThrow(/no history\.loss/);
    expect(() => lossFigure({a: run, b: {history: {history: {}}}})).toThrow(/the run 'b'/);
  });
});

describe('timeSpentFigure', () => {
  it('is the mean of a step over steps and ranks', () => {
    const twice = [...spans, ...spans.map((span) => ({...span, step: 1}))];
    expect(traces(timeSpentFigure({spans: twice}))[0]!.x).toEqual(Array(7).fill(10));
    expect(figures.timeSpent!.alt).toContain('forward 10 ms (14 %)');
    expect(figures.timeSpent!.tableHtml).toContain('4.50 ms');
  });

  it('leaves out kinds that were not there, and refuses an empty trace', () => {
    expect(traces(timeSpentFigure({spans: spans.slice(0, 2)}))[0]!.y).toEqual(['input', 'forward']);
    expect(() => timeSpentFigure({spans: []})).toThrow(/no spans/);
  });
});

describe('growthFigure', () => {
  it('draws medians with their range, and the extrapolation dashed and named', () => {
    const [measured, beyond] = traces(growth);
    expect(measured!.y).toEqual([20, 200, 2000]);
    expect(measured!.error_y).toMatchObject({
      symmetric: false,
      array: [10, 100, 1000],
      arrayminus: [10, 100, 1000],
    });
    expect(measured!.line!.dash).toBeUndefined();
    expect(beyond!.name).toBe('one device (extrapolated)');
    expect(beyond!.line!.dash).toBe('dash');
    expect((beyond!.y as number[])[1]).toBeCloseTo(2e6, 3);
    expect(growth.alt).toContain('extrapolated, not measured');
    expect(growth.tableHtml).toContain('extrapolated');
  });

  it('refuses a point without values', () => {
    expect(() =>
      growthFigure({
        title: 't',
        x: 'x',
        y: 'y',
        unit: 's',
        series: [{name: 'a', points: [{x: 3, values: []}]}],
      }),
    ).toThrow(/'a' has no values at x = 3/);
    expect(() =>
      growthFigure({title: 't', x: 'x', y: 'y', unit: 's', series: [{name: 'a', points: []}]}),
    ).toThrow(/no points/);
  });

  it('draws a formula beside its points, says what was computed, and counts bytes in powers of two', () => {
    const made = growthFigure({
      title: 't',
      x: 'length',
      y: 'time',
      unit: 'seconds',
      xUnit: 'bytes',
      series: [
        {
          name: 'a',
          points: [
            {x: 1024, values: [1, 2, 3]},
            {x: 65_536, values: [4]},
          ],
          model: {name: 'α + nβ', at: (n) => n / 1024},
        },
      ],
    });
    expect(made.alt).toContain('a: measured from 2 s at 1.00 KiB to 4 s at 64.0 KiB');
    expect(made.alt).toContain('α + nβ: 1 s to 1 min 4 s');
    const {xaxis} = made.plotly.layout as {xaxis: {ticktext: string[]}};
    expect(xaxis.ticktext).toEqual(['1 KiB', '4 KiB', '16 KiB', '64 KiB']);
    const computed = growthFigure({
      title: 't',
      x: 'n',
      y: 'time',
      unit: 'seconds',
      computed: true,
      series: [
        {
          name: 'b',
          points: [
            {x: 1, values: [1]},
            {x: 2, values: [2]},
          ],
        },
      ],
    });
    expect(computed.alt).toContain('b: computed from');
    expect(JSON.stringify(computed.plotly.data)).not.toContain('measured');
  });
});

describe('barsFigure', () => {
  it("draws the median, its range and a rank's own look; a name that is a number stays a name", () => {
    const [trace] = traces(bars);
    expect(trace!.y).toEqual([2, 5]);
    expect(trace!.marker).toMatchObject({
      color: [rankStyle(0).color, rankStyle(1).color],
      pattern: {shape: [rankStyle(0).pattern, rankStyle(1).pattern]},
    });
    expect(bars.plotly.layout).toMatchObject({xaxis: {type: 'category'}});
    expect(
      traces(
        barsFigure({title: 't', y: 'y', unit: 's', bars: [{name: 'x', values: 1, rank: 5}]}),
      )[0]!.marker!.color,
    ).toEqual([rankStyle(5).color]);
  });

  it('begins a logarithmic axis a decade under the smallest bar, and gives a bar of 0 no height', () => {
    const figure = barsFigure({
      title: 't',
      y: 'y',
      unit: '%',
      log: true,
      bars: [
        {name: 'a', values: 1e-5},
        {name: 'b', values: 30},
        {name: 'c', values: 0},
      ],
    });
    const axis = (figure.plotly.layout as {yaxis: {type: string; range: [number, number]}}).yaxis;
    expect(axis.type).toBe('log');
    expect(axis.range[0]).toBe(-6);
    expect(axis.range[1]).toBeGreaterThan(Math.log10(30));
    expect(figure.alt).toContain('logarithmic');
  });

  it('refuses to draw nothing', () => {
    expect(() => barsFigure({title: 't', y: 'y', unit: 's', bars: []})).toThrow(/no bars/);
    expect(() =>
      barsFigure({title: 't', y: 'y', unit: 's', bars: [{name: 'x', values: []}]}),
    ).toThrow(/'x' has no values/);
  });
});

describe('timelineFigure', () => {
  it('has a row a rank, begins at zero, and each kind its look', () => {
    const rows = traces(figures.timeline!);
    expect(rows).toHaveLength(7);
    expect(rows[0]).toMatchObject({
      name: 'I input',
      y: [0, 1],
      base: [0, 0],
      marker: {pattern: {shape: kindStyles.input.pattern}},
    });
    expect(figures.timeline!.plotly.layout).toMatchObject({yaxis: {tickvals: [0, 1]}});
  });

  it('shows the steps asked for, and refuses to show none', () => {
    const later = timelineFigure(
      {spans: [...spans, {...spans[0]!, step: 7}]},
      {steps: {from: 7, to: 8}},
    );
    expect(traces(later)).toHaveLength(1);
    expect(() => timelineFigure({spans}, {steps: {from: 3, to: 5}})).toThrow(
      /no spans of the steps 3 to 4/,
    );
  });
});

describe('figurePage', () => {
  it('stands alone: plotly.js inside, nothing fetched, no script that ends early', () => {
    const page = figurePage(
      barsFigure({
        title: 'a </script><b>',
        y: 'y',
        unit: 's',
        bars: [{name: '</script>', values: 1}],
      }),
    );
    expect(page.length).toBeGreaterThan(3e6);
    expect(page.match(/<\/script>/g)).toHaveLength(2);
    expect(page).not.toMatch(/<(script|link|img)[^>]+(src|href)=/);
    expect(page).toContain('prefers-color-scheme: dark');
    expect(page).toContain('<title>a &#60;/script&#62;&#60;b&#62;</title>');
  });
});

describe('powerLaw', () => {
  it('finds factor and exponent', () => {
    const law = powerLaw([1, 10, 100].map((x) => ({x, y: 3 * x ** 1.5})));
    expect(
      [law.factor, law.exponent, law.at(1e4)].map((value) => Number(value.toPrecision(9))),
    ).toEqual([3, 1.5, 3e6]);
    expect(powerLaw([{x: 2, y: 8}], 1).at(10)).toBeCloseTo(40, 9);
  });

  it('refuses what has no logarithm, and too few points', () => {
    expect(() =>
      powerLaw([
        {x: 0, y: 1},
        {x: 1, y: 1},
      ]),
    ).toThrow(/x = 0, y = 1/);
    expect(() =>
      powerLaw([
        {x: 1, y: 1},
        {x: 1, y: 2},
      ]),
    ).toThrow(/2 points with different x/);
  });

  it('median is the middle', () => {
    expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([7])]).toEqual([2, 2.5, 7]);
  });
});
