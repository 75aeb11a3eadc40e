/**
 * Finds `answer('id', value)` in a cell's syntax tree and reads its value there.
 * Nothing is executed.
 */
import ts from 'typescript';

/** One call of `answer` with an id that can be read. */
type AnswerCall = {id: string} & (
  | {value: unknown; unit?: unknown; unreadable: null}
  | {unreadable: string}
);

export interface CellCalls {
  calls: AnswerCall[];
  /** How many calls of `answer` have an id that cannot be read. */
  withoutId: number;
  /** The cell's first syntax error, in TypeScript's words. */
  syntaxError: string | null;
}

/** The calls of `answer` in a cell's code, in order. */
export function answerCalls(source: string): CellCalls {
  // A tree is only built where the word stands at all: most cells of a course ask nothing.
  if (!/\banswer\b/.test(source)) return {calls: [], withoutId: 0, syntaxError: null};
  const file = ts.createSourceFile(
    'cell.ts',
    source,
    ts.ScriptTarget.ES2022,
    true,
    ts.ScriptKind.TS,
  );
  const found: CellCalls = {calls: [], withoutId: 0, syntaxError: syntaxErrorOf(file)};
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && isAnswer(node.expression)) readCall(node, found);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function syntaxErrorOf(file: ts.SourceFile): string | null {
  const {parseDiagnostics} = file as unknown as {
    parseDiagnostics?: readonly ts.DiagnosticWithLocation[];
  };
  const first = parseDiagnostics?.[0];
  if (!first) return null;
  const line = file.getLineAndCharacterOfPosition(first.start).line + 1;
  return `line ${line}: ${ts.flattenDiagnosticMessageText(first.messageText, ' ')}`;
}

/** `answer`, or `course.answer` of `import * as course`. */
function isAnswer(callee: ts.Expression): boolean {
  const bare = unwrapped(callee);
  return (
    (ts.isIdentifier(bare) && bare.text === 'answer') ||
    (ts.isPropertyAccessExpression(bare) && bare.name.text === 'answer')
  );
}

function readCall(call: ts.CallExpression, found: CellCalls): void {
  const [first, second, third] = call.arguments;
  const id = first ? literal(first) : null;
  if (!id || typeof id.value !== 'string') {
    found.withoutId++;
    return;
  }
  const place = conditionalPlace(call);
  if (place) found.calls.push({id: id.value, unreadable: `the call stands inside ${place}`});
  else if (call.arguments.length > 3)
    found.calls.push({id: id.value, unreadable: `the call has ${call.arguments.length} values`});
  else if (!second) found.calls.push({id: id.value, value: undefined, unreadable: null});
  else {
    const [value, unit] = [literal(second), third ? literal(third) : {value: undefined}];
    if (value && unit)
      found.calls.push({
        id: id.value,
        value: value.value,
        ...(third ? {unit: unit.value} : {}),
        unreadable: null,
      });
    else found.calls.push({id: id.value, unreadable: whyNot(value ? third! : second)});
  }
}

function whyNot(node: ts.Expression): string {
  const written = unwrapped(node);
  const shownText = written.getText().replace(/\s+/g, ' ').slice(0, 40);
  if (ts.isIdentifier(written) && /^[A-Za-z]$/.test(written.text))
    return `the letter ${written.text} stands without quotes; write '${written.text}'`;
  return `the answer is written as ${shownText}, which only running it would tell; write the letter itself between quotes, or the number itself`;
}

/**
 * What a call stands in that may run it never or many times; null where it simply runs with its
 * cell.
 */
function conditionalPlace(call: ts.Node): string | null {
  for (let node: ts.Node = call; node.parent; node = node.parent) {
    const around = node.parent;
    if (ts.isFunctionLike(around)) return 'a function';
    if (ts.isClassLike(around)) return 'a class';
    if (
      ts.isIfStatement(around) ||
      ts.isConditionalExpression(around) ||
      ts.isSwitchStatement(around)
    )
      return 'a condition';
    if (ts.isIterationStatement(around, false)) return 'a loop';
    if (ts.isTryStatement(around)) return 'a try';
    if (
      ts.isBinaryExpression(around) &&
      [
        ts.SyntaxKind.AmpersandAmpersandToken,
        ts.SyntaxKind.BarBarToken,
        ts.SyntaxKind.QuestionQuestionToken,
      ].includes(around.operatorToken.kind)
    ) {
      return 'a condition';
    }
  }
  return null;
}

/** The value of a literal, in a box; null for everything that would have to be executed. */
function literal(node: ts.Expression): {value: unknown} | null {
  const bare = unwrapped(node);
  if (ts.isStringLiteralLike(bare)) return {value: bare.text};
  if (ts.isNumericLiteral(bare)) return {value: Number(bare.text)};
  if (
    ts.isPrefixUnaryExpression(bare) &&
    bare.operator === ts.SyntaxKind.MinusToken &&
    ts.isNumericLiteral(bare.operand)
  )
    return {value: -Number(bare.operand.text)};
  if (bare.kind === ts.SyntaxKind.TrueKeyword || bare.kind === ts.SyntaxKind.FalseKeyword)
    return {value: bare.kind === ts.SyntaxKind.TrueKeyword};
  if (bare.kind === ts.SyntaxKind.NullKeyword) return {value: null};
  if (ts.isIdentifier(bare) && bare.text === 'undefined') return {value: undefined};
  if (ts.isArrayLiteralExpression(bare)) {
    const items = bare.elements.map(literal);
    return items.every((item) => item !== null) ? {value: items.map((item) => item.value)} : null;
  }
  return null;
}

/** Without parentheses, `as const`, `!` and their kin, which change no value. */
function unwrapped(node: ts.Expression): ts.Expression {
  if (
    ts.isParenthesizedExpression(node) ||
    ts.isAsExpression(node) ||
    ts.isNonNullExpression(node) ||
    ts.isSatisfiesExpression(node) ||
    ts.isTypeAssertionExpression(node)
  ) {
    return unwrapped(node.expression);
  }
  return node;
}
