/**
 * The caller's side, scripts only. A code cell's syntax tree, and which of its names come from
 * cells before it.
 */
import {createRequire} from 'node:module';
import ts from 'typescript';

/** A cell as the traps see it. */
export interface CellTree {
  file: ts.SourceFile;
  checker: ts.TypeChecker;
  /** Values that the cell declares at its top level: what later cells see. */
  declares: Set<string>;
  /**
   * It begins with a comment that says `@module`: tslab then makes a file of it, where `export` is
   * at home.
   */
  isModule: boolean;
}

const fileName = 'cell.ts';

export function treeOf(source: string): CellTree {
  const file = ts.createSourceFile(fileName, source, ts.ScriptTarget.ESNext, true);
  const host: ts.CompilerHost = {
    getSourceFile: (name) => (name === fileName ? file : undefined),
    getDefaultLibFileName: () => 'lib.d.ts',
    writeFile: () => undefined,
    getCurrentDirectory: () => '',
    getCanonicalFileName: (name) => name,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => '\n',
    fileExists: (name) => name === fileName,
    readFile: () => undefined,
  };
  // Without a library and without imports, a name has a declaration exactly where the cell itself
  // declares it.
  const program = ts.createProgram(
    [fileName],
    {noLib: true, noResolve: true, target: ts.ScriptTarget.ESNext, types: []},
    host,
  );
  const isModule = /^\s*\/\*\*(?:(?!\*\/)[^])*@module\b/.test(source);
  return {
    file,
    checker: program.getTypeChecker(),
    declares: new Set(file.statements.flatMap(declaredBy)),
    isModule,
  };
}

function declaredBy(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.flatMap(({name}) => namesIn(name));
  if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement))
    return statement.name ? [statement.name.text] : [];
  if (ts.isEnumDeclaration(statement) || ts.isModuleDeclaration(statement))
    return [statement.name.text];
  if (
    !ts.isImportDeclaration(statement) ||
    !statement.importClause ||
    statement.importClause.isTypeOnly
  )
    return [];
  const {name, namedBindings} = statement.importClause;
  const named = namedBindings ? boundBy(namedBindings) : [];
  return name ? [name.text, ...named] : named;
}

function boundBy(bindings: ts.NamedImportBindings): string[] {
  if (ts.isNamespaceImport(bindings)) return [bindings.name.text];
  return bindings.elements.map((element) => element.name.text);
}

function namesIn(name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((element) =>
    ts.isOmittedExpression(element) ? [] : namesIn(element.name),
  );
}

/**
 * Whether a name in the cell is declared by the cell itself: at its top, or in a scope around the
 * name.
 */
export function isOwn({checker}: CellTree, name: ts.Identifier): boolean {
  const parent = name.parent;
  const symbol =
    ts.isShorthandPropertyAssignment(parent) && parent.name === name
      ? checker.getShorthandAssignmentValueSymbol(parent)
      : checker.getSymbolAtLocation(name);
  return (symbol?.declarations?.length ?? 0) > 0;
}

/** Whether a name means a variable of the cell's top level. */
export function isTopLevel(tree: CellTree, name: ts.Identifier): boolean {
  const declaration = tree.checker.getSymbolAtLocation(name)?.declarations?.[0];
  for (let node: ts.Node | undefined = declaration; node; node = node.parent) {
    if (ts.isVariableStatement(node)) return node.parent === tree.file;
    if (ts.isFunctionLike(node)) return false;
  }
  return false;
}

/** Every node below `node`, but not what `skip` refuses to enter. */
export function* nodesIn(
  node: ts.Node,
  skip: (node: ts.Node) => boolean = () => false,
): Generator<ts.Node> {
  const children: ts.Node[] = [];
  node.forEachChild((child) => void children.push(child));
  for (const child of children) {
    yield child;
    if (!skip(child)) yield* nodesIn(child, skip);
  }
}

/**
 * The names that a statement gives new values to: `x = 1`, `x += 1`, `x++`, `[x] = ...`, `for (x of
 * ...)`; not declarations.
 */
export function* assigned(root: ts.Node): Generator<ts.Identifier> {
  for (const node of nodesIn(root)) {
    if (
      ts.isBinaryExpression(node) &&
      node.operatorToken.kind >= ts.SyntaxKind.FirstAssignment &&
      node.operatorToken.kind <= ts.SyntaxKind.LastAssignment
    ) {
      yield* targets(node.left);
    } else if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
      if (
        node.operator === ts.SyntaxKind.PlusPlusToken ||
        node.operator === ts.SyntaxKind.MinusMinusToken
      )
        yield* targets(node.operand);
    } else if (
      (ts.isForOfStatement(node) || ts.isForInStatement(node)) &&
      !ts.isVariableDeclarationList(node.initializer)
    ) {
      yield* targets(node.initializer);
    }
  }
}

/** The names in a target of an assignment. */
export function* targets(node: ts.Node): Generator<ts.Identifier> {
  if (ts.isIdentifier(node)) yield node;
  else if (
    ts.isParenthesizedExpression(node) ||
    ts.isSpreadElement(node) ||
    ts.isSpreadAssignment(node)
  )
    yield* targets(node.expression);
  else if (ts.isArrayLiteralExpression(node))
    for (const element of node.elements) yield* targets(element);
  else if (ts.isObjectLiteralExpression(node))
    for (const property of node.properties) yield* targets(property);
  else if (ts.isPropertyAssignment(node)) yield* targets(node.initializer);
  else if (ts.isShorthandPropertyAssignment(node)) yield node.name;
  else if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken)
    yield* targets(node.left);
}

/** What the kernel's own, older compiler cannot parse: its first sentence, or null. */
export function syntaxError(source: string): string | null {
  const old = kernelCompiler();
  const {diagnostics} = old.transpileModule(source, {
    fileName,
    reportDiagnostics: true,
    compilerOptions: {target: old.ScriptTarget.ESNext, module: old.ModuleKind.ESNext},
  });
  const [first] = (diagnostics ?? []).filter(
    ({category}) => category === old.DiagnosticCategory.Error,
  );
  if (!first) return null;
  const {line, character} = first.file?.getLineAndCharacterOfPosition(first.start ?? 0) ?? {
    line: 0,
    character: 0,
  };
  return `${line + 1}:${character + 1} ${old.flattenDiagnosticMessageText(first.messageText, ' ')} (the kernel's TypeScript is ${old.version})`;
}

function kernelCompiler(): typeof ts {
  const fromKernel = createRequire(require.resolve('tslab/package.json'));
  return fromKernel('@tslab/typescript-for-tslab') as typeof ts;
}
