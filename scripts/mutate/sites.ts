/**
 * Finds the places of a source file that a mutation can change: operators, conditions, constants
 * and statements. What only words an error is left alone.
 */
import ts from 'typescript';

/** One change of a source file. */
export interface Mutant {
  file: string;
  /** From 1. */
  line: number;
  /** What changes, in words: `a < b` to `a <= b`. */
  change: string;
  /** The whole file with the change in it. */
  text: string;
}

/** A change before it is made: characters [start, end) become `replacement`. */
interface Site {
  start: number;
  end: number;
  replacement: string;
}

const OPERATORS: Partial<Record<ts.SyntaxKind, string>> = {
  [ts.SyntaxKind.PlusToken]: '-',
  [ts.SyntaxKind.MinusToken]: '+',
  [ts.SyntaxKind.AsteriskToken]: '/',
  [ts.SyntaxKind.SlashToken]: '*',
  [ts.SyntaxKind.PercentToken]: '*',
  [ts.SyntaxKind.LessThanToken]: '<=',
  [ts.SyntaxKind.LessThanEqualsToken]: '<',
  [ts.SyntaxKind.GreaterThanToken]: '>=',
  [ts.SyntaxKind.GreaterThanEqualsToken]: '>',
  [ts.SyntaxKind.EqualsEqualsEqualsToken]: '!==',
  [ts.SyntaxKind.ExclamationEqualsEqualsToken]: '===',
  [ts.SyntaxKind.AmpersandAmpersandToken]: '||',
  [ts.SyntaxKind.BarBarToken]: '&&',
  [ts.SyntaxKind.PlusEqualsToken]: '-=',
  [ts.SyntaxKind.MinusEqualsToken]: '+=',
};
const CALLS: Record<string, string> = {
  'Math.min': 'Math.max',
  'Math.max': 'Math.min',
  'Math.floor': 'Math.ceil',
  'Math.ceil': 'Math.floor',
};

/** Sites of one node, its children left out. */
function sitesOf(node: ts.Node, source: ts.SourceFile): Site[] {
  const replace = (target: ts.Node, replacement: string): Site => ({
    start: target.getStart(source),
    end: target.getEnd(),
    replacement,
  });
  if (ts.isBinaryExpression(node)) {
    const other = OPERATORS[node.operatorToken.kind];
    return other ? [replace(node.operatorToken, other)] : [];
  }
  if (ts.isNumericLiteral(node))
    return [replace(node, node.text === '0' ? '1' : `(${node.text} + 1)`)];
  if (node.kind === ts.SyntaxKind.TrueKeyword) return [replace(node, 'false')];
  if (node.kind === ts.SyntaxKind.FalseKeyword) return [replace(node, 'true')];
  if (ts.isConditionalExpression(node) || ts.isIfStatement(node)) {
    const condition = ts.isIfStatement(node) ? node.expression : node.condition;
    return [replace(condition, `!(${condition.getText(source)})`)];
  }
  if (ts.isCallExpression(node)) {
    const other = CALLS[node.expression.getText(source)];
    return other ? [replace(node.expression, other)] : [];
  }
  // A statement whose effect is all that it is for.
  if (ts.isExpressionStatement(node)) return [replace(node, ';')];
  return [];
}

/** Types, messages and imports do nothing that a test could miss. */
function isSkipped(node: ts.Node): boolean {
  return (
    ts.isTypeNode(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isImportDeclaration(node) ||
    ts.isThrowStatement(node) ||
    ts.isTemplateExpression(node) ||
    (ts.isNewExpression(node) && /Error$/.test(node.expression.getText())) ||
    (ts.isCallExpression(node) && /^refuse/.test(node.expression.getText()))
  );
}

/** Every mutant of a file, in the order of the text. */
export function mutantsOf(file: string, text: string): Mutant[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const mutants: Mutant[] = [];
  const visit = (node: ts.Node): void => {
    if (isSkipped(node)) return;
    for (const {start, end, replacement} of sitesOf(node, source)) {
      const {line} = source.getLineAndCharacterOfPosition(start);
      const before = text.slice(start, end).replace(/\s+/g, ' ').slice(0, 60);
      const change =
        replacement === ';'
          ? `without '${before}'`
          : `'${before}' to '${replacement.slice(0, 60)}'`;
      mutants.push({
        file,
        line: line + 1,
        change,
        text: text.slice(0, start) + replacement + text.slice(end),
      });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return mutants;
}
