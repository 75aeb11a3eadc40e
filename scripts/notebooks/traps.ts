/**
 * The caller's side, scripts only. What TypeScript accepts and tslab does not, or quietly does
 * otherwise: found in the cells' syntax trees, without running them. Each of these was seen in the
 * real kernel, and a test sees it there again.
 */
import ts from 'typescript';
import {
  assigned,
  isOwn,
  isTopLevel,
  nodesIn,
  syntaxError,
  targets,
  treeOf,
  type CellTree,
} from './cellTree';
import {nameOf, sourceOf, type Notebook} from '../notebookFile';
import type {Problem} from './run';

interface Found {
  rule: string;
  line: number;
  message: string;
}

/** What cells before this one have declared: by name, the newest such cell. */
interface Earlier {
  cell: number;
  /** A function or class of that cell uses the name: it goes on using its own copy. */
  captured: boolean;
}

export function findTraps(notebook: Notebook): Problem[] {
  const earlier = new Map<string, Earlier>();
  return notebook.cells.flatMap((cell, index) => {
    if (cell.cell_type !== 'code') return [];
    const source = sourceOf(cell);
    const name = nameOf(notebook.cells, index);
    const syntax = syntaxError(source);
    if (syntax) return [{...name, rule: 'syntax', message: `line ${syntax}`}];
    const tree = treeOf(source);
    const found = trapsIn(tree, source, earlier);
    if (!tree.isModule)
      for (const declared of tree.declares)
        earlier.set(declared, {cell: index + 1, captured: isCaptured(tree, declared)});
    return found.map(({rule, line, message}) => ({
      ...name,
      rule,
      message: `line ${line}: ${message}`,
    }));
  });
}

function trapsIn(tree: CellTree, source: string, earlier: Map<string, Earlier>): Found[] {
  const found: Found[] = [];
  const add = (rule: string, at: ts.Node, message: string): void => {
    found.push({
      rule,
      line: tree.file.getLineAndCharacterOfPosition(at.getStart(tree.file)).line + 1,
      message,
    });
  };
  if (/^\s*\/\*\*(?:(?!\*\/)[^])*@browser\b/.test(source))
    add(
      'browser-cell',
      tree.file,
      'tslab runs nothing of a cell whose first comment says @browser, and says nothing',
    );
  const assignedShorthand = new Set<ts.Node>();
  for (const target of assigned(tree.file)) {
    const before = isOwn(tree, target) ? undefined : earlier.get(target.text);
    if (!before) continue;
    if (ts.isShorthandPropertyAssignment(target.parent)) {
      assignedShorthand.add(target.parent);
      add(
        'shorthand-assignment',
        target,
        `({${target.text}} = ...) leaves '${target.text}' of cell ${before.cell} as it was, without a word; write ({${target.text}: ${target.text}} = ...)`,
      );
    } else if (before.captured) {
      add(
        'captured',
        target,
        `a function of cell ${before.cell} uses '${target.text}', and goes on with its old value; keep what changes in an object (state.${target.text} = ...), or hand it over as an argument`,
      );
    }
  }
  for (const node of nodesIn(tree.file)) nodeTraps(tree, node, earlier, assignedShorthand, add);
  topLevelTraps(tree, add);
  return found;
}

type Add = (rule: string, at: ts.Node, message: string) => void;

function nodeTraps(
  tree: CellTree,
  node: ts.Node,
  earlier: Map<string, Earlier>,
  skip: Set<ts.Node>,
  add: Add,
): void {
  if (ts.isShorthandPropertyAssignment(node) && !skip.has(node) && !isOwn(tree, node.name)) {
    const before = earlier.get(node.name.text);
    if (before)
      add(
        'shorthand',
        node,
        `{${node.name.text}} is not found at run time, because '${node.name.text}' is of cell ${before.cell}; write {${node.name.text}: ${node.name.text}}`,
      );
  }
  if (
    (ts.isForOfStatement(node) || ts.isForInStatement(node)) &&
    !ts.isVariableDeclarationList(node.initializer)
  ) {
    for (const target of targets(node.initializer)) {
      if (isTopLevel(tree, target))
        add(
          'loop-assignment',
          target,
          `later cells do not see what this loop gives to '${target.text}'; declare another name in the loop, and assign '${target.text}' in its body`,
        );
    }
  }
  const from = importedFrom(node);
  if (from !== null && /^(\.\.(\/|$)|\/)/.test(from))
    add(
      'above-folder',
      node,
      `'${from}' is outside the notebook's folder, where tslab does not import from; import from 'many-hands/course'`,
    );
  if (from !== null && /^many-hands(?!\/course$)(\/|$)/.test(from))
    add(
      'course-import',
      node,
      `'${from}' has not all names of the course and does not show runs in their cells; import from 'many-hands/course'`,
    );
  if (from !== null && /^\.\/.*\.[cm]?ts$/.test(from))
    add('ts-extension', node, `tslab refuses the ending of '${from}'; leave it out`);
  if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword)
    add('module-names', node, "a cell has no import.meta; process.cwd() is the notebook's folder");
  if (
    ts.isIdentifier(node) &&
    (node.text === '__dirname' || node.text === '__filename') &&
    !isOwn(tree, node) &&
    !ts.isPropertyAccessExpression(node.parent)
  ) {
    add('module-names', node, `a cell has no ${node.text}; process.cwd() is the notebook's folder`);
  }
  if (ts.isImportEqualsDeclaration(node))
    add(
      'import-equals',
      node,
      'tslab refuses import = require(...); write import * as name from ...',
    );
}

function importedFrom(node: ts.Node): string | null {
  let argument: ts.Expression | undefined;
  if (ts.isImportDeclaration(node)) argument = node.moduleSpecifier;
  else if (ts.isCallExpression(node) && isImporting(node.expression)) argument = node.arguments[0];
  return argument && ts.isStringLiteralLike(argument) ? argument.text : null;
}

/** `import` or `require` before its parenthesis. */
function isImporting(called: ts.Expression): boolean {
  if (called.kind === ts.SyntaxKind.ImportKeyword) return true;
  return ts.isIdentifier(called) && called.text === 'require';
}

function topLevelTraps(tree: CellTree, add: Add): void {
  const top = [...nodesIn(tree.file, (node) => ts.isFunctionLike(node) || ts.isClassLike(node))];
  const forAwait = top.find((node) => ts.isForOfStatement(node) && node.awaitModifier);
  if (forAwait && !top.some(ts.isAwaitExpression))
    add(
      'for-await',
      forAwait,
      'tslab sees no await in a cell that has only for await; add a line such as  await null;',
    );
  for (const name of ['exports', 'require'] as const) {
    if (tree.declares.has(name))
      add(
        'module-names',
        tree.file,
        `'${name}' is taken: the kernel wraps each cell in a function with that argument; choose another name`,
      );
  }
  for (const statement of tree.file.statements) {
    const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
    const exported =
      modifiers?.some(({kind}) => kind === ts.SyntaxKind.ExportKeyword) ||
      ts.isExportDeclaration(statement) ||
      ts.isExportAssignment(statement);
    if (exported && !tree.isModule)
      add(
        'export',
        statement,
        'a cell exports nothing: later cells see what it declares; leave export out',
      );
  }
}

/** Whether a function or class of the cell uses this variable of its top level. */
function isCaptured(tree: CellTree, name: string): boolean {
  const declarations = tree.file.statements
    .filter(ts.isVariableStatement)
    .filter(({declarationList}) => !(declarationList.flags & ts.NodeFlags.Const));
  if (declarations.length === 0) return false;
  for (const node of nodesIn(tree.file)) {
    if (!ts.isIdentifier(node) || node.text !== name || !isTopLevel(tree, node)) continue;
    for (let around: ts.Node = node.parent; around !== tree.file; around = around.parent) {
      if (ts.isFunctionLike(around) || ts.isClassLike(around)) return true;
    }
  }
  return false;
}
