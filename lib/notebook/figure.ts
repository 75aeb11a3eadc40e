/**
 * `Figure`: plotly.js data and layout in the course's look, with a description in words and a table
 * of the numbers. The ready-made figures (figures/) supply the data; this module adds the rest.
 */
import type {Config} from 'plotly.js';
import {anObject, aString, listOf, readOptions, type OptionTable} from '../base/options';
import type {MimeBundle} from './display';
import {detailsHtml, escapeHtml} from './markup';
import {fontFamily, paper, rankColors} from './palette';
import {table, type Row, type TableOptions} from './table';
import {View} from './view';

/** Data and layout of a figure for plotly.js, and its description. */
export interface FigureOptions {
  title: string;
  /** One or two sentences that describe the figure to readers who cannot see it. */
  alt: string;
  /** plotly.js traces. */
  data: readonly object[];
  /** plotly.js layout, where it differs from the course's template. */
  layout?: object;
  /** The figure's numbers, a table under the figure that the reader can open. */
  table: {rows: readonly Row[]} & Partial<TableOptions>;
}

const OPTIONS: OptionTable<FigureOptions> = {
  title: aString,
  alt: aString,
  data: listOf('traces'),
  'layout?': anObject,
  table: anObject,
};

const axis = {
  gridcolor: paper.grid,
  zerolinecolor: paper.edge,
  linecolor: paper.faint,
  ticks: 'outside',
  tickcolor: paper.edge,
  automargin: true,
  title: {standoff: 12},
};

/** The course's look as a plotly.js template; the layout of a figure overrides it. */
export const template = {
  layout: {
    paper_bgcolor: paper.card,
    plot_bgcolor: paper.card,
    font: {family: fontFamily, size: 14, color: paper.ink},
    title: {
      x: 0.02,
      xref: 'container',
      xanchor: 'left',
      y: 0.96,
      yref: 'container',
      yanchor: 'top',
      font: {size: 17},
    },
    colorway: rankColors,
    margin: {l: 64, r: 24, t: 56, b: 56},
    xaxis: axis,
    yaxis: axis,
    legend: {
      orientation: 'h',
      xref: 'container',
      x: 0.02,
      yref: 'container',
      y: 0.02,
      yanchor: 'bottom',
    },
    hoverlabel: {font: {family: fontFamily, size: 13}},
    bargap: 0.35,
  },
} as const;

const config: Partial<Config> = {displaylogo: false, responsive: true, displayModeBar: false};

/**
 * A plotly.js figure with its description and its numbers; `show` shows it, and `saveFigure` writes
 * it to a file.
 */
export class Figure extends View {
  readonly title: string;
  readonly alt: string;
  /**
   * What plotly.js draws. It does not use plotly.js's types, which programs with this library need
   * not install.
   */
  readonly plotly: {data: readonly object[]; layout: object; config: object};
  /** The figure's numbers as an HTML table. */
  readonly tableHtml: string;

  constructor(options: FigureOptions) {
    const {title, alt, data, layout} = options;
    const {rows, ...tableOptions} = options.table;
    const numbers = table(rows, {
      ...tableOptions,
      caption: tableOptions.caption ?? title,
    });
    const tableHtml = String(numbers.outputs[0]['text/html']);
    const plotly = {
      data,
      layout: {height: 380, ...layout, template, title: {text: title}},
      config,
    };
    const picture: MimeBundle = {
      'application/vnd.plotly.v1+json': plotly,
      'text/plain': `${title}\n${alt}`,
    };
    const words: MimeBundle = {
      'text/html': `<p>${escapeHtml(alt)}</p>${detailsHtml('The numbers of this figure', tableHtml)}`,
      'text/plain': numbers.text,
    };
    super([picture, words]);
    this.title = title;
    this.alt = alt;
    this.plotly = plotly;
    this.tableHtml = tableHtml;
  }
}

/** Makes a figure from plotly.js data and layout. Throws BAD_OPTION. */
export function figure(options: FigureOptions): Figure {
  return new Figure(readOptions('figure', options, OPTIONS));
}
