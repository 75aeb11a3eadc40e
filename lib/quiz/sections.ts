/**
 * Splits the Markdown of a bank into questions and their sections, with line numbers, by the tokens
 * of markdown-it.
 *
 * `## id` begins a question. The list right under it holds the settings, and the text up to the
 * first `###` is the stem.
 */
import type MarkdownIt from 'markdown-it';
import {loadOptional} from '../base/optionalPackage';

type Token = MarkdownIt.Token;

/** A list item: its text, and the items of a list inside it. Lines count from 1. */
export interface Item {
  text: string;
  line: number;
  items: Item[];
}

/** A fenced code block, with the language after its backticks. */
interface Fence {
  language: string;
  code: string;
  line: number;
}

/** A row of a table: the Markdown of its cells. */
interface TableRow {
  cells: string[];
  line: number;
}

/** The content of a `###` section, as text and as lists, code blocks and table rows. */
export interface Section {
  title: string;
  line: number;
  text: string;
  items: Item[];
  fences: Fence[];
  rows: TableRow[];
}

/** A `##` heading with everything under it. */
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
 * The questions of a bank in order. The text before the first `##` is an introduction for people.
 */
export function splitQuestions(text: string): RawQuestion[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
  const tokens = tokensOf(lines.join('\n'));
  const headings = tokens.flatMap((token, index) =>
    token.type === 'heading_open' && token.level === 0 && /^h[23]$/.test(token.tag) ? [index] : [],
  );
  const questions: RawQuestion[] = [];
  headings.forEach((start, n) => {
    const end = headings[n + 1] ?? tokens.length;
    const heading = tokens[start];
    const [headingLine, from] = heading.map!;
    const to = end < tokens.length ? tokens[end].map![0] : lines.length;
    const title = tokens[start + 1].content.trim();
    const line = headingLine + 1;
    const body = tokens.slice(start + 3, end);
    if (heading.tag === 'h2') {
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

/** The items of every outermost list among the tokens, list by list. */
function itemsOf(tokens: Token[], lines: string[]): Item[][] {
  const lists: Item[][] = [];
  for (let start = 0; start < tokens.length; start++) {
    if (!/^(bullet|ordered)_list_open$/.test(tokens[start].type)) continue;
    const end = closeOf(tokens, start);
    lists.push(listItems(tokens.slice(start + 1, end), lines));
    start = end;
  }
  return lists;
}

function listItems(tokens: Token[], lines: string[]): Item[] {
  const items: Item[] = [];
  for (let start = 0; start < tokens.length; start++) {
    const end = closeOf(tokens, start);
    const [from, to] = tokens[start].map!;
    const inside = tokens.slice(start + 1, end);
    const nested = inside.find((token) => token.type === 'bullet_list_open');
    const text = lines.slice(from, nested ? nested.map![0] : to).join('\n');
    items.push({text: withoutMarker(text), line: from + 1, items: itemsOf(inside, lines).flat()});
    start = end;
  }
  return items;
}

/** The text of an item without its bullet or number; its later lines move left by the same width. */
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

/** The index of the token that closes the one at `open`. */
function closeOf(tokens: Token[], open: number): number {
  for (let index = open + 1; index < tokens.length; index++) {
    if (tokens[index].nesting === -1 && tokens[index].level === tokens[open].level) return index;
  }
  return tokens.length;
}

/** The rows of the tables' bodies. */
function rowsOf(tokens: Token[]): TableRow[] {
  const rows: TableRow[] = [];
  let inBody = false;
  for (const [index, token] of tokens.entries()) {
    if (token.type === 'tbody_open' || token.type === 'tbody_close')
      inBody = token.type === 'tbody_open';
    if (inBody && token.type === 'tr_open') rows.push({cells: [], line: (token.map?.[0] ?? 0) + 1});
    if (inBody && token.type === 'td_open')
      rows.at(-1)!.cells.push(tokens[index + 1].content.trim());
  }
  return rows;
}
