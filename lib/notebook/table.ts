/**
 * Tables for a cell, with headers that a screen reader can follow, and as plain text for a terminal.
 */
import {ManyHandsError, shown} from '../base/errors';
import {anObject, aString, either, listOf, readOptions, type OptionTable} from '../base/options';
import {formatBytes} from '../base/units';
import {formatNumber, formatSeconds} from '../base/format';
import {escapeHtml} from './markup';
import {View} from './view';

/** The value of one cell of a table. */
export type Cell = string | number | boolean | null | undefined;
/** A row: its cells by the names of the columns. */
export type Row = Readonly<Record<string, Cell>>;

/** Caption, columns and units of a table. */
export interface TableOptions {
  /** What the table shows, in a few words; it stands above the table. */
  caption: string;
  /**
   * The columns in their order; an object also renames their headers: `{samplesPerSecond: 'speed'}`.
   * Default: the keys of the rows.
   */
  columns?: readonly string[] | Readonly<Record<string, string>>;
  /**
   * Units by column, shown in the header. With 'bytes' or 'seconds', each value is written in the
   * unit that fits it (1.20 MB, 3.20 s).
   */
  units?: Readonly<Record<string, string>>;
}

const OPTIONS: OptionTable<TableOptions> = {
  caption: aString,
  'columns?': either(listOf('column names', aString), anObject),
  'units?': anObject,
};

interface Column {
  key: string;
  head: string;
  numeric: boolean;
  words: string[];
}

/**
 * Makes a table of rows, with numbers right-aligned. Throws BAD_OPTION for a column or a unit that
 * no row has a key for.
 */
export function table(rows: readonly Row[], options: TableOptions): View {
  readOptions('table', options, OPTIONS);
  const columns = columnsOf(rows, options);
  return new View([
    {
      'text/html': htmlTable(columns, rows.length, options.caption),
      'text/plain': textTable(columns, rows.length, options.caption),
    },
  ]);
}

function columnsOf(rows: readonly Row[], {columns, units = {}}: TableOptions): Column[] {
  const known = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const heads: [string, string][] = Array.isArray(columns)
    ? columns.map((key: string) => [key, key])
    : Object.entries(columns ?? Object.fromEntries(known.map((key) => [key, key])));
  const unknown = [...heads.map(([key]) => key), ...Object.keys(units)].find(
    (key) => rows.length > 0 && !known.includes(key),
  );
  if (unknown !== undefined) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `table: no row has a column ${shown(unknown)}; the rows have ${known.join(', ')}.`,
    );
  }
  return heads.map(([key, head]) => {
    const values = rows.map((row) => row[key]);
    const unit = units[key];
    const scaled = unit === 'bytes' || unit === 'seconds';
    return {
      key,
      head: unit === undefined || scaled ? head : `${head} (${unit})`,
      numeric:
        values.some((value) => typeof value === 'number') &&
        values.every((value) => typeof value === 'number' || value == null),
      words: values.map((value) => cellWords(value, unit)),
    };
  });
}

function cellWords(value: Cell, unit: string | undefined): string {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') return value;
  if (unit === 'bytes') return formatBytes(value);
  if (unit === 'seconds') return formatSeconds(value);
  return formatNumber(value);
}

function htmlTable(columns: Column[], rows: number, caption: string): string {
  const side = (column: Column): string =>
    `style="text-align: ${column.numeric ? 'right' : 'left'}"`;
  const head = columns
    .map((column) => `<th scope="col" ${side(column)}>${escapeHtml(column.head)}</th>`)
    .join('');
  const body = Array.from({length: rows}, (_, row) => {
    const cells = columns.map((column, index) => {
      const words = escapeHtml(column.words[row]);
      // A first column of words names its rows.
      return index === 0 && !column.numeric
        ? `<th scope="row" ${side(column)}>${words}</th>`
        : `<td ${side(column)}>${words}</td>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  return (
    `<table><caption style="text-align: left; padding: 4px 0; font-weight: bold">${escapeHtml(caption)}</caption>` +
    `<thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table>`
  );
}

function textTable(columns: Column[], rows: number, caption: string): string {
  const widths = columns.map(({head, words}) =>
    Math.max(head.length, ...words.map((word) => word.length)),
  );
  const line = (words: string[]): string =>
    words
      .map((word, i) => (columns[i].numeric ? word.padStart(widths[i]) : word.padEnd(widths[i])))
      .join('  ')
      .trimEnd();
  return [
    caption,
    line(columns.map(({head}) => head)),
    widths.map((width) => '-'.repeat(width)).join('  '),
    ...Array.from({length: rows}, (_, row) => line(columns.map(({words}) => words[row]))),
  ].join('\n');
}
