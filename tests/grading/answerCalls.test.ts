import {describe, expect, it} from 'vitest';
import {answerCalls} from '#scripts/grade/answerCalls.js';

/** The first call's value, or why it cannot be read. */
function read(source: string): unknown {
  const [call, ...others] = answerCalls(source).calls;
  expect(others).toEqual([]);
  return call && (call.unreadable === null ? {[call.id]: call.value} : call.unreadable);
}

describe('an answer is read from', () => {
  it.each([
    ["answer('x', 'A')"],
    ['answer("x", "A");'],
    ['answer(`x`, `A`)'],
    ["await answer('x', 'A')"],
    ["void answer('x', 'A');"],
    ["answer (\n  'x', // the question\n  /* mine: */ 'A',\n)"],
    ["(answer('x', ('A')))"],
    ["answer('x', 'A' as const)"],
    ["answer('x', 'A'!)"],
    ["answer('x', <string>'A')"],
    ["const done = answer('x', 'A');"],
    ["console.log(answer('x', 'A'))"],
    ["course.answer('x', 'A')"],
    ["answer?.('x', 'A')"],
    ["{ answer('x', 'A') }"],
    ["answer('x', '\\u0041')"],
    ["// answer('x', 'B')\nanswer('x', 'A')"],
    ["/* answer('x', 'B') */ answer('x', 'A') // answer('x', 'C')"],
    ["const text = \"answer('x', 'B')\"; answer('x', 'A')"],
    ["import { answer } from 'many-hands/course';\nanswer('x', 'A')"],
  ])('%j', (source) => {
    expect(read(source)).toEqual({x: 'A'});
  });

  it('a value of any literal kind', () => {
    expect(read("answer('x', '')")).toEqual({x: ''});
    expect(read("answer('x')")).toEqual({x: undefined});
    expect(read("answer('x', undefined)")).toEqual({x: undefined});
    expect(read("answer('x', null)")).toEqual({x: null});
    expect(read("answer('x', 12.5, 'MB')")).toEqual({x: 12.5});
    expect(read("answer('x', -3)")).toEqual({x: -3});
    expect(read("answer('x', true)")).toEqual({x: true});
    expect(read("answer('x', ['A', 'B'])")).toEqual({x: ['A', 'B']});
  });
});

describe('an answer is not read', () => {
  it.each([
    ["answer('x', 'A' + '')", /only running it would tell/],
    ["answer('x', `${'A'}`)", /only running it would tell/],
    ["const a = 'A'; answer('x', a1)", /only running it would tell/],
    ["answer('x', A)", /the letter A stands without quotes; write 'A'/],
    ["answer('x', pick())", /only running it would tell/],
    ["answer('x', ['A', b])", /only running it would tell/],
    ["answer('x', true ? 'A' : 'B')", /only running it would tell/],
    ["answer('x', ...['A'])", /only running it would tell/],
    ["if (false) answer('x', 'A')", /inside a condition/],
    ["false && answer('x', 'A')", /inside a condition/],
    ["true ? answer('x', 'A') : 0", /inside a condition/],
    ["for (const l of 'ABCD') answer('x', 'A')", /inside a loop/],
    ["while (true) answer('x', 'A')", /inside a loop/],
    ["const later = () => answer('x', 'A')", /inside a function/],
    ["function f() { answer('x', 'A') }", /inside a function/],
    ["class C { static { answer('x', 'A') } }", /inside a (class|function)/],
    ["try { answer('x', 'A') } catch {}", /inside a try/],
    ["answer('x', 'A', 1, 2)", /4 values/],
  ])('from %j', (source, why) => {
    expect(read(source)).toMatch(why);
  });

  it('where its id is not written as text', () => {
    expect(answerCalls("answer('x' + 1, 'A')")).toMatchObject({calls: [], withoutId: 1});
    expect(answerCalls('answer()')).toMatchObject({calls: [], withoutId: 1});
    expect(answerCalls("answers('x', 'A'); 'answer'; // answer")).toMatchObject({
      calls: [],
      withoutId: 0,
    });
  });

  it('without saying that the cell is no TypeScript', () => {
    expect(answerCalls("answer('x', 'A'").syntaxError).toMatch(/^line 1: /);
    expect(answerCalls("// one\nanswer('x', A')").syntaxError).toMatch(/^line 2: /);
    expect(answerCalls("answer('x', 'A')").syntaxError).toBe(null);
  });

  it('by running anything', () => {
    (globalThis as Record<string, unknown>).ran = false;
    answerCalls("globalThis.ran = true; answer('x', (globalThis.ran = true, 'A'))");
    expect((globalThis as Record<string, unknown>).ran).toBe(false);
  });
});
