/**
 * Draws boxes, arrows, words and puzzle pieces on the course's card.
 */
import {Drawn} from './view';
import {paper, rankStyle, tint} from './palette';
import {card, element, line, patternId, patternOf, text, type Attributes} from './markup';

/** A rectangle on the card, in pixels from its top left corner. */
export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A drawing in progress: each method adds something to the card and returns the drawing. */
export class Drawing {
  private readonly parts: string[] = [];

  /** `alt` describes the drawing to readers who cannot see it. */
  constructor(
    readonly width: number,
    readonly height: number,
    readonly alt: string,
  ) {}

  /**
   * Adds a box with words in its middle, in the colour and pattern of `rank` if it is given. \n
   * separates lines.
   */
  box(
    rectangle: Rectangle,
    words = '',
    {rank, dashed = false, bold = false}: {rank?: number; dashed?: boolean; bold?: boolean} = {},
  ): this {
    const {x, y, width, height} = rectangle;
    const look = rank === undefined ? undefined : rankStyle(rank);
    const shape: Attributes = {x, y, width, height, rx: 6};
    this.parts.push(element('rect', {...shape, fill: look ? tint(look.color) : '#ffffff'}));
    if (look?.pattern)
      this.parts.push(
        element('rect', {...shape, fill: `url(#${patternId(look.pattern, look.color)})`}),
      );
    this.parts.push(
      element('rect', {
        ...shape,
        fill: 'none',
        stroke: look?.color ?? paper.ink,
        'stroke-width': look ? 2 : 1.5,
        'stroke-dasharray': dashed ? '6 4' : undefined,
      }),
    );
    return this.words(x + width / 2, y + height / 2, words, {
      anchor: 'middle',
      bold,
      halo: Boolean(look?.pattern),
    });
  }

  /**
   * Adds words at a point. `anchor` says which part of a line stands there, and `halo` keeps the
   * words readable on a pattern.
   */
  words(
    x: number,
    y: number,
    words: string,
    {
      anchor = 'middle',
      size = 14,
      bold = false,
      faint = false,
      halo = false,
    }: {
      anchor?: 'start' | 'middle' | 'end';
      size?: number;
      bold?: boolean;
      faint?: boolean;
      halo?: boolean;
    } = {},
  ): this {
    const lines = words === '' ? [] : words.split('\n');
    const height = size * 1.3;
    lines.forEach((words, i) => {
      this.parts.push(
        text(x, y + size * 0.35 + (i - (lines.length - 1) / 2) * height, words, {
          'font-size': size,
          'text-anchor': anchor,
          'font-weight': bold ? 'bold' : undefined,
          fill: faint ? paper.faint : paper.ink,
          ...(halo
            ? {
                stroke: paper.card,
                'stroke-width': 5,
                'stroke-linejoin': 'round',
                'paint-order': 'stroke',
              }
            : {}),
        }),
      );
    });
    return this;
  }

  /** Adds an arrow from one point to another; `both` gives it two heads. */
  arrow(
    from: readonly [number, number],
    to: readonly [number, number],
    {dashed = false, both = false}: {dashed?: boolean; both?: boolean} = {},
  ): this {
    const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
    this.parts.push(
      line(from[0], from[1], to[0], to[1], {
        'stroke-width': 2,
        'stroke-dasharray': dashed ? '5 4' : undefined,
      }),
    );
    this.parts.push(head(to, angle));
    if (both) this.parts.push(head(from, angle + Math.PI));
    return this;
  }

  /** Adds a pair of hands: a circle with the rank's number, in the rank's colour. */
  hand(x: number, y: number, rank: number, radius = 15): this {
    const {color} = rankStyle(rank);
    this.parts.push(
      element('circle', {
        cx: x,
        cy: y,
        r: radius,
        fill: '#ffffff',
        stroke: color,
        'stroke-width': 3,
      }),
    );
    return this.words(x, y, String(rank), {bold: true});
  }

  /**
   * Adds a jigsaw piece; `tabs` are its top, right, bottom and left sides: 1 is a tab, -1 a hole, 0
   * a straight side.
   */
  piece(
    {x, y, width, height}: Rectangle,
    tabs: readonly [number, number, number, number],
    rank?: number,
  ): this {
    const look = rank === undefined ? undefined : rankStyle(rank);
    const d = piecePath(x, y, width, height, tabs);
    this.parts.push(element('path', {d, fill: look ? tint(look.color) : '#ffffff'}));
    if (look?.pattern)
      this.parts.push(element('path', {d, fill: `url(#${patternId(look.pattern, look.color)})`}));
    this.parts.push(
      element('path', {
        d,
        fill: 'none',
        stroke: look?.color ?? paper.faint,
        'stroke-width': 2,
        'stroke-linejoin': 'round',
        'stroke-dasharray': look ? undefined : '4 3',
      }),
    );
    return this;
  }

  /** The drawing as an SVG document. */
  svg(): string {
    const body = this.parts.join('');
    const used = [...new Set(body.match(/url\(#[^)]+\)/g) ?? [])].map((url) => url.slice(5, -1));
    return card(
      this.width,
      this.height,
      this.alt,
      `<defs>${used.map(patternOf).join('')}</defs>${body}`,
    );
  }

  /** The drawing as a view, with its caption. */
  view(caption: string): Drawn {
    const {alt, width, height} = this;
    return new Drawn(this.svg(), {alt, width, height, caption, text: `${caption}\n${alt}`});
  }
}

function head([x, y]: readonly [number, number], angle: number): string {
  const corner = (turn: number): string =>
    `${(x - 10 * Math.cos(angle + turn)).toFixed(1)},${(y - 10 * Math.sin(angle + turn)).toFixed(1)}`;
  return element('polygon', {
    points: `${x},${y} ${corner(0.42)} ${corner(-0.42)}`,
    fill: paper.ink,
  });
}

/**
 * The outline of a piece, clockwise from its top left corner; a tab is an arc in the middle of a
 * side.
 */
function piecePath(
  x: number,
  y: number,
  width: number,
  height: number,
  tabs: readonly [number, number, number, number],
): string {
  const corners = [
    [x, y],
    [x + width, y],
    [x + width, y + height],
    [x, y + height],
    [x, y],
  ] as const;
  const radius = Math.min(width, height) * 0.14;
  const sides = tabs.map((tab, side) => {
    const [from, to] = [corners[side], corners[side + 1]];
    if (tab === 0) return `L${to[0]} ${to[1]}`;
    const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
    const along = (share: number): string =>
      `${(from[0] + (to[0] - from[0]) * share).toFixed(1)} ${(from[1] + (to[1] - from[1]) * share).toFixed(1)}`;
    const half = (radius * 0.8) / length;
    return `L${along(0.5 - half)}A${radius.toFixed(1)} ${radius.toFixed(1)} 0 1 ${tab > 0 ? 1 : 0} ${along(0.5 + half)}L${to[0]} ${to[1]}`;
  });
  return `M${x} ${y}${sides.join('')}Z`;
}
