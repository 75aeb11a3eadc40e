import {describe, expect, it} from 'vitest';
import {
  checkValue,
  nameFrom,
  positiveNumber,
  readOptions,
  trueOrFalse,
  wholeNumber,
  wholeNumbers,
  type OptionTable,
} from '#lib/base/options.js';

interface Baking {
  loaves: number;
  flour?: 'rye' | 'wheat';
  degrees?: number;
  steam?: boolean;
  stagesPerRank?: number;
}

const TABLE: OptionTable<Baking> = {
  loaves: wholeNumber(1, 12),
  'flour?': nameFrom(['rye', 'wheat']),
  'degrees?': positiveNumber('degrees', '230'),
  'steam?': trueOrFalse,
  'stagesPerRank?': wholeNumber(1),
};
const read = (options: unknown) => readOptions('bake', options as Baking, TABLE);

describe('options', () => {
  it('come back as they are', () => {
    const options = {loaves: 3, flour: 'rye', steam: false, degrees: undefined};
    expect(read(options)).toBe(options);
  });

  it('may be left out where none is required', () => {
    expect(readOptions<{steam?: boolean}>('bake', undefined, {'steam?': trueOrFalse})).toEqual({});
  });

  const known = 'loaves, flour, degrees, steam, stagesPerRank';
  it.each([
    [null, `bake: its options must be an object with ${known}; they are null.`],
    [3, `bake: its options must be an object with ${known}; they are 3.`],
    [[3], `bake: its options must be an object with ${known}; they are [3] (array).`],
    [undefined, 'bake: loaves is missing; it must be a whole number from 1 to 12.'],
    [{loafs: 3}, `bake has no option 'loafs'. It knows: ${known}. Did you mean 'loaves'?`],
    [{loaves: 3, x7q9zz: 3}, `bake has no option 'x7q9zz'. It knows: ${known}.`],
    [{loaves: 3, constructor: 3}, `bake has no option 'constructor'. It knows: ${known}.`],
    [{chunks: 2}, "bake has no option 'chunks'. It is called stagesPerRank now."],
    [{loaves: 13}, 'bake: loaves must be a whole number from 1 to 12; it is 13.'],
    [{loaves: NaN}, 'bake: loaves must be a whole number from 1 to 12; it is NaN.'],
    [{loaves: '3'}, 'bake: loaves must be a whole number from 1 to 12; it is "3" (string).'],
    [{loaves: 3, flour: 'oat'}, `bake: flour must be 'rye' or 'wheat'; it is "oat" (string).`],
    [
      {loaves: 3, degrees: 0},
      'bake: degrees must be a number of degrees above 0, such as 230; it is 0.',
    ],
    [{loaves: 3, steam: 1}, 'bake: steam must be true or false; it is 1.'],
  ])('%j are refused', (options, message) => {
    expect(() => read(options)).toThrow(
      expect.objectContaining({code: 'BAD_OPTION', message}) as Error,
    );
  });

  it('of an object inside have its name before theirs', () => {
    const inside = (options: object) => () =>
      readOptions(
        'plan',
        options as {bytes: number},
        {bytes: positiveNumber('bytes')},
        {
          path: 'machine',
          noun: 'key',
        },
      );
    expect(inside({byte: 3})).toThrow(
      "plan has no key 'machine.byte'. It knows: bytes. Did you mean 'machine.bytes'?",
    );
    expect(inside({bytes: -1})).toThrow(
      'plan: machine.bytes must be a number of bytes above 0; it is -1.',
    );
    expect(inside(null as unknown as object)).toThrow(
      'plan: machine must be an object with bytes; it is null.',
    );
  });

  it('are checked one by one where they are not in an object', () => {
    expect(checkValue('mlp', 'units', [3, 4], wholeNumbers(1, 2))).toEqual([3, 4]);
    expect(() => checkValue('mlp', 'units', [3], wholeNumbers(1, 2))).toThrow(
      'mlp: units must be a list of 2 or more whole numbers, each 1 or more; it is [3] (array).',
    );
  });
});
