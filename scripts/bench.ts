/**
 * `npm run bench -- NAME [--json]`: runs one bench of scripts/bench/ in a process of
 * its own.
 */
import {spawnSync} from 'node:child_process';
import {join} from 'node:path';
import {BENCHES, wrongNumber, type BenchName} from './bench/benches';
import {asTyped, exitWith, runCommand, wrongUse, type Streams} from './command';

/** `--peers`, `--rounds 7`, `--ranks 2 --ranks 4`: an option as it is typed, with its default. */
function shown([name, option]: [
  string,
  {type: string; default?: unknown; multiple?: boolean},
]): string {
  if (option.type === 'boolean') return `[--${name}]`;
  const standard = [option.default ?? []].flat().map(String);
  const values = standard.length > 0 ? standard : [option.multiple ? 'NAME' : 'TEXT'];
  return `[${values.map((value) => `--${name} ${value}`).join(' ')}]`;
}

const list = Object.entries(BENCHES)
  .map(
    ([name, {what, options}]) =>
      `  ${name.padEnd(14)} ${what}\n  ${' '.repeat(14)} ${Object.entries(options).map(shown).join(' ')}\n`,
  )
  .join('');

const help = `Measures, and prints a report: the machine, the versions, the rows, the goals.

  ${asTyped('bench', 'NAME [OPTIONS]')}

${list}
Options are shown with their defaults. --json prints one JSON object on stdout, and nothing else. --peers installs what
it compares with into build/peers.

Exit code: 0 measured; 1 it failed; 2 wrong use.
`;

const isBench = (name: string | undefined): name is BenchName =>
  name !== undefined && Object.hasOwn(BENCHES, name);

/** Runs the command; resolves to its exit code. */
export async function main(argv: readonly string[], streams?: Streams): Promise<number> {
  const [name, ...args] = argv;
  if (!isBench(name))
    return runCommand(
      {
        name: 'bench',
        help,
        options: {},
        takesWords: true,
        run: () => {
          const wrong =
            name === undefined ? 'bench needs the name of a bench' : `There is no bench '${name}'`;
          throw wrongUse(`${wrong}; there are: ${Object.keys(BENCHES).join(', ')}.`);
        },
      },
      argv,
      streams,
    );
  return runCommand(
    {
      name: 'bench',
      help,
      options: BENCHES[name].options,
      run: ({values}) => {
        const wrong = wrongNumber(values);
        if (wrong !== null) throw wrongUse(`bench ${name}: ${wrong}`);
        const program = join(__dirname, 'bench', `${name}.js`);
        return spawnSync(process.execPath, [program, ...args], {stdio: 'inherit'}).status ?? 1;
      },
    },
    args,
    streams,
  );
}

if (require.main === module) exitWith(main(process.argv.slice(2)));
