import {describe, expect, it} from 'vitest';
import {ManyHandsError, messageOf, oneOf, shown} from '#lib/base/errors.js';

describe('errors', () => {
  it('lists what would have been accepted', () => {
    expect(oneOf(['a'])).toBe("'a'");
    expect(oneOf(['a', 'b', 'c'])).toBe("'a', 'b' or 'c'");
  });
  it('shows a value on one line with its type', () => {
    expect(shown('x')).toBe('"x" (string)');
    expect(shown([1, 2])).toBe('[1,2] (array)');
    expect(shown(undefined)).toBe('undefined');
    expect(shown(() => 1)).toContain('a function');
    expect(shown('y'.repeat(100)).length).toBeLessThan(80);
  });
  it('carries a code, a cause and a sentence', () => {
    const cause = new Error('inner');
    const error = new ManyHandsError('BAD_OPTION', 'outer', {cause});
    expect([error.code, error.message, error.cause, error.name]).toEqual([
      'BAD_OPTION',
      'outer',
      cause,
      'ManyHandsError',
    ]);
    expect(messageOf('text')).toBe('text');
  });
});
