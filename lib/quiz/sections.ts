/**
 * Cuts a bank's Markdown into questions and their sections, with line numbers, by
 * markdown-it's own tokens.
 *
 * `## id` begins a question; the list right under it is its settings; what follows, up to the first
 * `###`, is its stem.
 */
import type MarkdownIt from 'markdown-it';
import {loadOptional} from '../base/optionalPackage';

type Token = MarkdownIt.Token;

/** A list item: its own text, and the items of a list inside it. Lines count from 1. */
export interface Item {
  text: string;
  line: number;
  items: Item[];
}

/** A fence of code, with the language behind its back-ticks. */
export interface Fence {
  language: string;
  code: string;
  line: number;
}

/** A table's row: its cells' Markdown. */
export interface TableRow {
  cells: string[];
  line: number;
}

/** What stands under one `###`, as text and as the parts that a kind may ask for. */
export interface Section {
  title: string;
  line: number;
  text: string;
  items: Item[];
  fences: Fence[];
  rows: TableRow[];
}

/** One `##` with all that stands under it. */
export interface RawQuestion {
  id: string;
  line: number;
  settings: Item[];
  stem: string;
  sections: Section[];
}

let parser: MarkdownIt.MarkdownIt | undefined;

function tokensOf(text: string): Token[] {
  // Loaded at the first question, so that importing many-hands stays quick.
  parser ??= new (loadOptional<typeof import('markdown-it')>('markdown-it', {
    who: 'A question bank is read with',
  }))();
  return parser.parse(text, {});
}

/**
 * The questions of a bank's text, in order; what stands before the first `##` is an introduction
 * for people.
 */
export function cutQuestions(text: string): RawQuestion[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
  const tokens = tokensOf(lines.join('\n'));
  const heads = tokens.flatMap((token, at) =>
    token.type === 'heading_open' && token.level === 0 && /^h[23]$/.test(token.tag) ? [at] : [],
  );
  const questions: RawQuestion[] = [];
  heads.forEach((at, n) => {
    const end = heads[n + 1] ?? tokens.length;
    const [from, to] = [
      tokens[at]!.map![1],
      end < tokens.length ? tokens[end]!.map![0] : lines.length,
    ];
    const title = tokens[at + 1]!.content.trim();
    const line = tokens[at]!.map![0] + 1;
    const body = tokens.slice(at + 3, end);
    if (tokens[at]!.tag === 'h2') {
      const settings = body[0]?.type === 'bullet_list_open' ? body[0] : undefined;
      const stem = lines
        .slice(settings ? settings.map![1] : from, to)
        .join('\n')
        .trim();
      questions.push({
        id: title,
        line,
        settings: settings ? (itemsOf(body, lines)[0] ?? []) : [],
        stem,
        sections: [],
      });
    } else {
      questions.at(-1)?.sections.push({
        title,
        line,
        text: lines.slice(from, to).join('\n').trim(),
        items: itemsOf(body, lines).flat(),
        fences: body
          .filter((token) => token.type === 'fence')
          .map((token) => ({
            language: token.info.trim(),
            code: token.content,
            line: token.map![0] + 1,
          })),
        rows: rowsOf(body),
      });
    }
  });
  return questions;
}

/** The items of every outermost list among the tokens, a list each. */
function itemsOf(tokens: Token[], lines: string[]): Item[][] {
  const lists: Item[][] = [];
  for (let at = 0; at < tokens.length; at++) {
    if (!/^(bullet|ordered)_list_open$/.test(tokens[at]!.type)) continue;
    const end = closeOf(tokens, at);
    lists.push(listItems(tokens.slice(at + 1, end), lines));
    at = end;
  }
  return lists;
}

function listItems(tokens: Token[], lines: string[]): Item[] {
  const items: Item[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const end = closeOf(tokens, at);
    const [from, to] = tokens[at]!.map!;
    const inside = tokens.slice(at + 1, end);
    const nested = inside.find((token) => token.type === 'bullet_list_open');
    const text = lines.slice(from, nested ? nested.map![0] : to).join('\n');
    items.push({text: withoutMarker(text), line: from + 1, items: itemsOf(inside, lines).flat()});
    at = end;
  }
  return items;
}

/** An item's text without its bullet or number, its later lines moved left by as much. */
function withoutMarker(text: string): string {
  const marker = /^\s*(?:[-*+]|\d+[.)])\s+/.exec(text)?.[0] ?? '';
  const [first = '', ...rest] = text.slice(marker.length).split('\n');
  return [
    first,
    ...rest.map((line) =>
      line.slice(Math.min(marker.length, line.length - line.trimStart().length)),
    ),
  ]
    .join('\n')
    .trim();
}

function closeOf(tokens: Token[], open: number): number {
  for (let at = open + 1; at < tokens.length; at++) {
    if (tokens[at]!.nesting === -1 && tokens[at]!.level === tokens[open]!.level) return at;
  }
  return tokens.length;
}

/** The rows under a table's head. */
function rowsOf(tokens: Token[]): TableRow[] {
  const rows: TableRow[] = [];
  let inBody = false;
  for (const [at, token] of tokens.entries()) {
    if (token.type === 'tbody_open' || token.type === 'tbody_close')
      inBody = token.type === 'tbody_open';
    if (inBody && token.type === 'tr_open') rows.push({cells: [], line: (token.map?.[0] ?? 0) + 1});
    if (inBody && token.type === 'td_open') rows.at(-1)!.cells.push(tokens[at + 1]!.content.trim());
  }
  return rows;
}
