/**
 * The kinds of question: what each asks of a bank beside what all have. A new kind is
 * one more entry here.
 */
import {shown} from '../base/errors';
import type {
  ChoiceQuestion,
  CodeQuestion,
  NumericQuestion,
  Option,
  Question,
  QuestionBase,
} from './question';
import type {Item, Section} from './sections';

/** Says what is wrong in which line of the bank. */
export type Report = (line: number, message: string) => void;

/** What a kind reads its own part of a question from. */
export interface Source {
  base: QuestionBase;
  sections: ReadonlyMap<string, Section>;
  setting(name: string): string | undefined;
  report: Report;
}

interface Kind {
  sections: readonly string[];
  settings: readonly string[];
  read(source: Source): Question;
}

export const kinds: Readonly<Record<string, Kind | undefined>> = Object.assign(
  Object.create(null) as Record<string, Kind>,
  {
    choice: {sections: ['Options'], settings: [], read: readChoice},
    numeric: {
      sections: ['Wrong turns'],
      settings: ['value', 'unit', 'tolerance'],
      read: readNumeric,
    },
    code: {sections: ['Tests', 'Reference'], settings: ['function'], read: readCode},
  },
);

function readChoice({base, sections, report}: Source): ChoiceQuestion {
  const section = sections.get('Options');
  if (!section)
    report(
      base.line,
      `'${base.id}' has no options: add a section \`### Options\` with a list of \`- [ ] A. text\`, the right one with \`[x]\``,
    );
  const items = section?.items ?? [];
  const options = items.map((item, at) => readOption(item, at, base.id, report));
  if (section && items.length < 2)
    report(
      section.line,
      `'${base.id}' has ${items.length} option${items.length === 1 ? '' : 's'}; a choice needs at least two`,
    );
  if (items.length > 26)
    report(section!.line, `'${base.id}' has ${items.length} options; there are letters for 26`);
  const right = options.filter((option) => option.right).map((option) => option.letter);
  // Where an option could not be read, its [x] may be the one that is missed here.
  if (items.length > 0 && right.length === 0 && items.every(({text}) => optionPattern.test(text)))
    report(section!.line, `'${base.id}' has no right option; mark it with [x]`);
  if (right.length > 1)
    report(
      section!.line,
      `'${base.id}' has ${right.length} right options (${right.join(', ')}); mark one with [x] and the others with [ ]`,
    );
  return {...base, kind: 'choice', options};
}

const optionPattern = /^\[([ xX])\]\s+([A-Z])\.\s*(.*)$/s;

function readOption(item: Item, at: number, id: string, report: Report): Option {
  const expected = String.fromCharCode(65 + at);
  const found = optionPattern.exec(item.text);
  if (!found)
    report(
      item.line,
      `${shown(item.text)} is no option of '${id}': write \`- [ ] ${expected}. text\`, or \`- [x] ${expected}. text\` where it is right`,
    );
  const [, mark = ' ', letter = expected, text = ''] = found ?? [];
  if (letter !== expected)
    report(
      item.line,
      `option ${letter} of '${id}' stands where ${expected} should; letters run from A without a gap`,
    );
  if (found && text === '') report(item.line, `option ${letter} of '${id}' has no text`);
  const right = mark !== ' ';
  const mistakes = item.items.map((one) => ({
    line: one.line,
    text: /^Mistake:\s*(.*)$/s.exec(one.text)?.[1] ?? null,
  }));
  for (const {line, text: mistake} of mistakes)
    if (!mistake)
      report(
        line,
        `under option ${letter} of '${id}' stands something other than \`- Mistake: text\``,
      );
  const written = mistakes.filter(({text: mistake}) => mistake);
  if (right && written.length > 0)
    report(
      written[0]!.line,
      `option ${letter} of '${id}' is right, so it has no mistake behind it`,
    );
  if (found && !right && written.length !== 1) {
    report(
      item.line,
      `wrong option ${letter} of '${id}' has ${written.length === 0 ? 'no mistake' : `${written.length} mistakes`} behind it; write one \`- Mistake: text\` under it`,
    );
  }
  return {letter, text, right, mistake: right ? null : (written[0]?.text ?? null)};
}

const numberPattern = /^[-+]?(\d[\d,]*\.?\d*|\.\d+)(e[-+]?\d+)?$/i;
const numberOf = (text: string): number | null =>
  numberPattern.test(text) ? Number(text.replace(/,/g, '')) : null;

function readNumeric({base, sections, setting, report}: Source): NumericQuestion {
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

function readCode({base, sections, setting, report}: Source): CodeQuestion {
  const functionName = setting('function') ?? '';
  if (!/^[A-Za-z_$][\w$]*$/.test(functionName)) {
    report(
      base.line,
      `'${base.id}' names no function; write \`- function: sgdStep\` with the name that its tests call`,
    );
  }
  const section = sections.get('Tests');
  if (!section || section.rows.length === 0) {
    report(
      section?.line ?? base.line,
      `'${base.id}' has no visible tests: add \`### Tests\` with a table of test, call and expected`,
    );
  }
  const tests = (section?.rows ?? []).flatMap(({cells, line}) => {
    const [name = '', call = '', expected = ''] = cells.map(
      (cell) => /^`([^`]+)`$/.exec(cell)?.[1] ?? cell,
    );
    if (cells.length !== 3 || !name || !call || !expected)
      report(line, `this test of '${base.id}' needs a name, a call and what is expected`);
    else if (!call.includes(functionName))
      report(line, `this test of '${base.id}' never calls ${functionName}`);
    return [{name, call, expected}];
  });
  const reference = sections
    .get('Reference')
    ?.fences.find(({language}) => /^(ts|typescript)$/.test(language));
  if (!reference)
    report(
      sections.get('Reference')?.line ?? base.line,
      `'${base.id}' has no reference: add \`### Reference\` with one \`\`\`ts block that declares ${functionName}`,
    );
  return {...base, kind: 'code', functionName, tests, reference: reference?.code ?? ''};
}
