import {existsSync, mkdirSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {pythonProblem} from '../../scripts/setup/findPython.mjs';
import {SetupProblem, fixText, problemText, systemOf} from '../../scripts/setup/problem.mjs';
import * as problems from '../../scripts/setup/problems.mjs';
import {checkSpace} from '../../scripts/setup/steps.mjs';
import {rootFolder} from '../../scripts/setup/paths.mjs';

const all = {
  'python-missing': problems.pythonMissing(),
  'python-old': problems.pythonTooOld('3.8.18', '/usr/bin/python3'),
  'python-new': problems.pythonTooNew('3.14.0', '/usr/bin/python3'),
  'venv-missing': problems.venvMissing('3.11.2', '/usr/bin/python3'),
  'compiler-missing': problems.compilerMissing(),
  'disk-full': problems.diskFull('/home/ada/many-hands', 2e9, 3e8),
};

describe('a problem of set-up', () => {
  it.each(Object.entries(all))('%s: a sentence, and a command for each system', (id, problem) => {
    expect(problem.id).toBe(id);
    expect(problem.message).toMatch(/\.$/);
    expect(problem.fix.debian).toMatch(/apt-get/);
    expect(problem.fix.fedora).toMatch(/dnf/);
    expect(problem.fix.macos).toMatch(/brew|xcode-select/);
    const text = problemText(problem);
    for (const command of Object.values(problem.fix)) expect(text).toContain(command);
  });

  it('names the version and the place of a Python that does not fit', () => {
    expect(all['python-old'].message).toContain(
      'The Python at /usr/bin/python3 is 3.8.18, which is too old.',
    );
    expect(all['venv-missing'].fix.debian).toContain('python3.11-venv');
  });

  it('says how much is needed and how much there is', () => {
    expect(all['disk-full'].message).toContain('has 300 MB free, and set-up needs 2.0 GB there');
  });

  it('copies a folder with a quote in its name', () => {
    expect(problems.readOnly("/media/ada's stick").fix.debian).toContain(
      `cp -R '/media/ada'\\''s stick' ~/many-hands`,
    );
  });
});

describe('the system that a command is for', () => {
  it.each([
    ['PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n', 'debian'],
    ['NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n', 'debian'],
    ['ID=linuxmint\nID_LIKE="ubuntu debian"\n', 'debian'],
    ['ID=fedora\nVERSION_ID=43\n', 'fedora'],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"\n', 'fedora'],
    ['ID=arch\n', null],
  ])('%j is %s', (text, system) => {
    expect(systemOf(text)).toBe(system);
  });

  it('gives all three where it does not know', () => {
    const {fix} = problems.compilerMissing();
    expect(fixText(fix, 'fedora')).toBe(fix.fedora);
    expect(fixText(fix, null)).toBe(
      `Debian, Ubuntu: ${fix.debian}   Fedora: ${fix.fedora}   macOS: ${fix.macos}`,
    );
  });
});

describe('what a tool said last', () => {
  const where = {what: 'The npm packages', folder: '/home/ada/many-hands'};
  it.each([
    ['npm error code ENOSPC\nnpm error syscall write', 'disk-full'],
    ['OSError: [Errno 28] No space left on device', 'disk-full'],
    ['npm error code ENOTFOUND\nnpm error network request to the registry failed', 'no-network'],
    ['npm error code EAI_AGAIN', 'no-network'],
    [
      'Retrying after connection broken by NewConnectionError: Failed to establish a new connection',
      'no-network',
    ],
    ['npm error code SELF_SIGNED_CERT_IN_CHAIN', 'certificate'],
    ['SSLError(SSLCertVerificationError(1, certificate verify failed))', 'certificate'],
    ['OSError: [Errno 30] Read-only file system', 'read-only'],
  ])('%j is %s', (output, id) => {
    expect(problems.problemIn(output, where)?.id).toBe(id);
  });

  it('is not guessed at', () => {
    expect(problems.problemIn('error: unknown type name', where)).toBeNull();
  });
});

describe('an error of the file system', () => {
  const errorOf = (act: () => void): unknown => {
    try {
      act();
    } catch (error) {
      return error;
    }
    throw new Error('nothing was thrown');
  };

  it.runIf(existsSync('/dev/full'))('of a full disk', () => {
    expect(
      problems.problemOfError(
        errorOf(() => writeFileSync('/dev/full', 'x')),
        '/x',
      )?.id,
    ).toBe('disk-full');
  });

  it.runIf(existsSync('/sys/kernel'))('of a folder that nobody may write in', () => {
    expect(
      problems.problemOfError(
        errorOf(() => mkdirSync('/sys/kernel/many-hands')),
        '/x',
      )?.id,
    ).toBe('read-only');
  });

  it('of another kind stays what it is', () => {
    expect(
      problems.problemOfError(
        errorOf(() => writeFileSync('/no/such/folder/x', 'x')),
        '/x',
      ),
    ).toBeNull();
  });
});

describe('the space on the disk', () => {
  it('is looked at before anything is downloaded', () => {
    expect(() => checkSpace(rootFolder(), 1)).not.toThrow();
    expect(() => checkSpace(rootFolder(), 1e18)).toThrow(SetupProblem);
  });
});

describe('the Pythons of a machine', () => {
  const python = (version: string, venv = true) => ({
    path: `/usr/bin/python${version}`,
    version,
    venv,
  });
  it.each([
    [[], 'python-missing'],
    [[python('3.8.18')], 'python-old'],
    [[python('2.7.18')], 'python-old'],
    [[python('3.14.0')], 'python-new'],
    [[python('3.14.0'), python('3.9.1')], 'python-new'],
    [[python('3.11.2', false)], 'venv-missing'],
    [[python('3.14.0'), python('3.12.1', false)], 'venv-missing'],
  ])('%j: %s', (seen, id) => {
    expect(pythonProblem(seen).id).toBe(id);
  });
});
