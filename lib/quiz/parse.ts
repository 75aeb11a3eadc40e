/**
 * Parses the text of a bank into questions and problems.
 */
import {oneOf, shown} from '../base/errors';
import type {BankProblem, Mode, Question, QuestionBase} from './question';
import {kinds, type Report} from './kinds';
import {splitQuestions, type RawQuestion, type Section} from './sections';

/** The form of an id, and so of the file that keeps an answer. */
export const idPattern = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const modes = ['practice', 'assessed'] as const;
const commonSettings = ['kind', 'mode', 'title', 'notebooks'];
const commonSections = ['Solution', 'Quick check', 'Read again'];

/** The result of parsing a bank. */
export interface ParsedBank {
  /** The questions without a problem. */
  questions: Question[];
  /** The ids of all questions, with and without problems. */
  ids: {id: string; file: string; line: number}[];
  problems: BankProblem[];
}

/** Parses a bank; `file` names the bank in its problems. */
export function parseBank(text: string, file: string): ParsedBank {
  const problems: BankProblem[] = [];
  const raw = splitQuestions(text);
  if (raw.length === 0)
    problems.push({
      file,
      line: 1,
      message: 'has no question; a question begins with a heading `## its-id`',
    });
  const questions = raw.flatMap((rawQuestion) => {
    const before = problems.length;
    const question = readQuestion(rawQuestion, file, (line, message) =>
      problems.push({file, line, message}),
    );
    return question && problems.length === before ? [question] : [];
  });
  return {questions, ids: raw.map(({id, line}) => ({id, file, line})), problems};
}

function readQuestion(raw: RawQuestion, file: string, report: Report): Question | null {
  if (!idPattern.test(raw.id)) {
    report(
      raw.line,
      `${shown(raw.id)} is not an id: write lower-case letters, digits and single hyphens, beginning with a letter, as in which-split`,
    );
  }
  const settings = readSettings(raw, report);
  const kindName = settings.get('kind')?.value;
  const kind = readKind(raw, settings.get('kind'), report);
  const mode = readMode(raw, settings.get('mode'), report);
  const title = settings.get('title')?.value;
  if (!title)
    report(
      raw.line,
      `'${raw.id}' has no title; write \`- title: \` and a few words under its heading`,
    );
  const notebooks = readNotebooks(raw, settings.get('notebooks'), report);
  if (raw.stem === '')
    report(raw.line, `'${raw.id}' has no stem: write the question under its settings`);

  const sections = new Map<string, Section>();
  const known = [...commonSections, ...(kind?.sections ?? [])];
  for (const section of raw.sections) {
    if (sections.has(section.title))
      report(section.line, `'${raw.id}' has two sections '${section.title}'; keep one`);
    else if (kind && !known.includes(section.title)) {
      report(
        section.line,
        `'${raw.id}' has an unknown section ${shown(section.title)}; a ${kindName} question has ${oneOf(known)}`,
      );
    }
    sections.set(section.title, section);
  }
  const expected = [...commonSettings, ...(kind?.settings ?? [])];
  for (const [name, {line}] of settings) {
    if (kind && !expected.includes(name))
      report(
        line,
        `'${raw.id}' has an unknown setting '${name}'; a ${kindName} question has ${oneOf(expected)}`,
      );
  }
  const solution = sections.get('Solution');
  if (!solution)
    report(
      raw.line,
      `'${raw.id}' has no solution: add a section \`### Solution\` with a numbered list of steps`,
    );
  else if (solution.items.length === 0)
    report(solution.line, `the solution of '${raw.id}' has no steps: write it as a numbered list`);
  const textOf = (name: string): string => {
    const section = sections.get(name);
    if (!section) report(raw.line, `'${raw.id}' has no section \`### ${name}\``);
    else if (section.text === '')
      report(section.line, `the section '${name}' of '${raw.id}' is empty`);
    return section?.text ?? '';
  };
  const base: QuestionBase = {
    id: raw.id,
    title: title ?? '',
    mode: mode ?? 'practice',
    notebooks,
    stem: raw.stem,
    solution: solution?.items.map((item) => item.text) ?? [],
    quickCheck: textOf('Quick check'),
    readAgain: textOf('Read again'),
    file,
    line: raw.line,
  };
  const get = (name: string): string | undefined => settings.get(name)?.value;
  return kind ? kind.read({base, sections, setting: get, report}) : null;
}

interface Setting {
  value: string;
  line: number;
}

function readSettings(raw: RawQuestion, report: Report): Map<string, Setting> {
  const settings = new Map<string, Setting>();
  for (const {text, line} of raw.settings) {
    const match = /^([a-z]+):\s*(.*)$/s.exec(text);
    if (!match)
      report(
        line,
        `${shown(text)} is not a setting of '${raw.id}': write \`- name: value\`; the list before the stem is for settings only`,
      );
    else if (settings.has(match[1])) report(line, `'${raw.id}' sets '${match[1]}' twice; keep one`);
    else settings.set(match[1], {value: match[2].trim(), line});
  }
  return settings;
}

function readKind(
  raw: RawQuestion,
  setting: Setting | undefined,
  report: Report,
): (typeof kinds)[string] {
  const known = oneOf(Object.keys(kinds));
  if (!setting)
    report(
      raw.line,
      `'${raw.id}' has no kind; write \`- kind: choice\` under its heading (kinds: ${known})`,
    );
  else if (!kinds[setting.value])
    report(
      setting.line,
      `'${raw.id}' has the unknown kind ${shown(setting.value)}; write ${known}`,
    );
  return setting && kinds[setting.value];
}

function readMode(
  raw: RawQuestion,
  setting: Setting | undefined,
  report: Report,
): Mode | undefined {
  const mode = modes.find((name) => name === setting?.value);
  if (!setting)
    report(raw.line, `'${raw.id}' has no mode; write \`- mode: practice\` or \`- mode: assessed\``);
  else if (!mode)
    report(
      setting.line,
      `'${raw.id}' has the unknown mode ${shown(setting.value)}; write ${oneOf(modes)}`,
    );
  return mode;
}

function readNotebooks(raw: RawQuestion, setting: Setting | undefined, report: Report): string[] {
  const names = (setting?.value ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  if (names.length === 0) {
    report(
      setting?.line ?? raw.line,
      `'${raw.id}' is in no notebook; write \`- notebooks: 14-practice\` (separate several by commas)`,
    );
  }
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) report(setting!.line, `'${raw.id}' names the notebook '${twice}' twice`);
  return names;
}
