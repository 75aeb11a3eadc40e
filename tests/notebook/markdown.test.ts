import {describe, expect, it} from 'vitest';
import {renderMarkdown} from '#lib/notebook/markdown.js';

describe('renderMarkdown', () => {
  it('renders what a quiz card needs', () => {
    const html = renderMarkdown(
      '**Right.** See `train`.\n\n1. one\n2. two\n\n| a | b |\n|--:|---|\n| 1 | 2 |',
    );
    for (const part of [
      '<strong>Right.</strong>',
      '<code>train</code>',
      '<ol>',
      '<table>',
      '<li>two</li>',
    ])
      expect(html).toContain(part);
  });

  it('lets no HTML and no script through', () => {
    const html = renderMarkdown(
      '<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1)) ![y](data:text/html,z)',
    );
    expect(html).not.toMatch(/<(script|img)/);
    expect(html).not.toContain('href="javascript');
    expect(html).toContain('&lt;script&gt;');
  });
});
