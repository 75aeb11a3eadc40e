/**
 * The kinds of question: the sections and settings that each kind adds, and their readers. A new
 * kind needs one more entry in `kinds`.
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

/** Reports a problem in a line of the bank. */
export type Report = (line: number, message: string) => void;

/** The source from which a kind reads its part of a question. */
interface Source {
  base: QuestionBase;
  sections: ReadonlyMap<string, Section>;
  setting(name: string): string | undefined;
  report: Report;
}

/** A kind of question; `sections` and `settings` are added to those of all kinds. */
interface Kind {
  sections: readonly string[];
  settings: readonly string[];
  read(source: Source): Question;
}

/** The kinds by name; without a prototype, so that 'constructor' is not a kind. */
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
  const options = items.map((item, index) => readOption(item, index, base.id, report));
  if (section && items.length < 2)
    report(
      section.line,
      `'${base.id}' has ${items.length} option${items.length === 1 ? '' : 's'}; a choice needs at least two`,
    );
  if (items.length > 26)
    report(section!.line, `'${base.id}' has ${items.length} options; there are letters for 26`);
  const right = options.filter((option) => option.right).map((option) => option.letter);
  // An option that could not be read may be the one with the [x].
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

function readOption(item: Item, index: number, id: string, report: Report): Option {
  const expected = String.fromCharCode(65 + index);
  const match = optionPattern.exec(item.text);
  if (!match)
    report(
      item.line,
      `${shown(item.text)} is not an option of '${id}': write \`- [ ] ${expected}. text\`, or \`- [x] ${expected}. text\` for the right one`,
    );
  const [, mark = ' ', letter = expected, text = ''] = match ?? [];
  if (letter !== expected)
    report(
      item.line,
      `option ${letter} of '${id}' is where ${expected} should be; letters run from A without a gap`,
    );
  if (match && text === '') report(item.line, `option ${letter} of '${id}' has no text`);
  const right = mark !== ' ';
  const mistakes = item.items.map((child) => ({
    line: child.line,
    text: /^Mistake:\s*(.*)$/s.exec(child.text)?.[1] ?? null,
  }));
  for (const {line, text: mistake} of mistakes)
    if (!mistake)
      report(line, `option ${letter} of '${id}' may have only \`- Mistake: text\` under it`);
  const written = mistakes.filter(({text: mistake}) => mistake);
  if (right && written.length > 0)
    report(written[0].line, `option ${letter} of '${id}' is right, so it cannot have a mistake`);
  if (match && !right && written.length !== 1) {
    report(
      item.line,
      `wrong option ${letter} of '${id}' has ${written.length === 0 ? 'no mistake' : `${written.length} mistakes`}; write one \`- Mistake: text\` under it`,
    );
  }
  return {letter, text, right, mistake: right ? null : (written[0]?.text ?? null)};
}

/** A number that may have commas between groups of digits. */
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
        `${shown(text)} is not a wrong turn of '${base.id}': write \`- 4: what was done to get it\``,
      );
    else if (turn === value)
      report(line, `the wrong turn ${number} of '${base.id}' is the right value`);
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
