/** Runs before each file of the project 'unit'. */
import {afterAll, expect} from 'vitest';
import {keepEnvironment} from './unchanged';

keepEnvironment();

afterAll(() => {
  const engines = Object.keys(require.cache).filter((file) => /tfjs-node.*\.node$/.test(file));
  expect(engines, "this file loads the engine: it belongs in the project 'engine'").toEqual([]);
});
