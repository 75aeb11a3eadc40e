/**
 * A numeric question's own part of a bank: value, unit, tolerance, and the turns that
 * lead to well-known wrong numbers.
 */
import {shown} from '../base/errors';
import type {NumericQuestion} from './bank';
import type {Source} from './kinds';

const numberPattern = /^[-+]?(\d[\d,]*\.?\d*|\.\d+)(e[-+]?\d+)?$/i;
const numberOf = (text: string): number | null =>
  numberPattern.test(text) ? Number(text.replace(/,/g, '')) : null;

export function readNumeric({base, sections, setting, report}: Source): NumericQuestion {
  const value = numberOf(setting('value') ?? '');
  if (value === null)
    report(base.line, `'${base.id}' has no value: write \`- value: 12\`, a number in its unit`);
  const unit = setting('unit');
  if (unit === undefined)
    report(
      base.line,
      `'${base.id}' has no unit: write \`- unit: GB\`, or \`- unit: none\` for a plain number`,
    );
  const written = setting('tolerance') ?? '';
  const relative = written.endsWith('%');
  const tolerance = numberOf(relative ? written.slice(0, -1).trim() : written);
  if (tolerance === null || tolerance < 0)
    report(
      base.line,
      `'${base.id}' has no tolerance: write \`- tolerance: 2 %\` of the value, or \`- tolerance: 0.5\` in its unit`,
    );
  const section = sections.get('Wrong turns');
  if (!section || section.items.length === 0)
    report(
      section?.line ?? base.line,
      `'${base.id}' has no wrong turns: add a section \`### Wrong turns\` with a list of \`- 4: what was done to get it\``,
    );
  const wrongTurns = (section?.items ?? []).flatMap(({text, line}) => {
    const [, number = '', mistake = ''] = /^([^:\s]+):\s*(.+)$/s.exec(text) ?? [];
    const turn = numberOf(number);
    if (turn === null || mistake === '')
      report(
        line,
        `${shown(text)} is no wrong turn of '${base.id}': write \`- 4: what was done to get it\``,
      );
    else if (turn === value) report(line, `the wrong turn ${number} of '${base.id}' is its value`);
    return turn === null ? [] : [{value: turn, mistake}];
  });
  return {
    ...base,
    kind: 'numeric',
    value: value ?? NaN,
    unit: unit === 'none' ? '' : (unit ?? ''),
    tolerance: (tolerance ?? 0) / (relative ? 100 : 1),
    relative,
    wrongTurns,
  };
}
