import {spawnSync} from 'node:child_process';
import {describe, expect, it} from 'vitest';

/** A program of a user's own, in a shell that has not set TF_CPP_MIN_LOG_LEVEL. */
function program(source: string, env: NodeJS.ProcessEnv = {}) {
  const {TF_CPP_MIN_LOG_LEVEL: _, ...own} = process.env;
  const {status, stdout, stderr} = spawnSync(process.execPath, ['-e', source], {
    env: {...own, ...env},
    encoding: 'utf8',
  });
  return {status, stdout, stderr};
}

const load = "const {engineInfo} = require('./build/lib/index.js');";
const engine = `${load} console.log(engineInfo().name);`;
const quiet = './build/lib/devices/quietLoad.js';

describe('a program that imports the library', () => {
  it('has an empty stderr', () => {
    const {status, stdout, stderr} = program(engine);
    expect({status, stderr}).toEqual({status: 0, stderr: ''});
    expect(stdout).toMatch(/^(tensorflow|javascript)\n$/);
  });

  it('has its stderr back afterwards', () => {
    const {stderr} = program(`${load} console.error('mine');`);
    expect(stderr).toBe('mine\n');
  });

  it.runIf(program(engine).stdout === 'tensorflow\n')(
    "hears TensorFlow's log where it asks for it",
    () => {
      const {stderr} = program(engine, {TF_CPP_MIN_LOG_LEVEL: '0'});
      expect(stderr).toMatch(/^I\d{4} /m);
    },
  );
});

describe('loading quietly', () => {
  const write = (text: string) => `require('fs').writeSync(2, ${JSON.stringify(text)});`;

  it('keeps warnings and errors, and leaves out greetings', () => {
    const {stdout, stderr} = program(
      `const {loadQuietly} = require('${quiet}');
       console.log(loadQuietly(() => {
         ${write('I0000 00:00:1795855879.165187    8081 port.cc:153] oneDNN is on.\n')}
         ${write('E0000 00:00:1795855879.165187    8081 cuda.cc:1] no driver\n')}
         return 5;
       }));`,
    );
    expect(stdout).toBe('5\n');
    expect(stderr).toBe('E0000 00:00:1795855879.165187    8081 cuda.cc:1] no driver\n');
  });

  it('loses nothing where loading throws', () => {
    const {status, stderr} = program(
      `const {loadQuietly} = require('${quiet}');
       loadQuietly(() => { ${write('it begins\n')} throw new Error('it ends'); });`,
    );
    expect(status).toBe(1);
    expect(stderr).toMatch(/^it begins\n[^]*Error: it ends/);
  });
});
