/**
 * A stream as whole lines.
 */
import type {Readable} from 'node:stream';

// What libtensorflow says at its start whatever its log level is; warnings and errors (W, E, F)
// pass.
const NOISE =
  /^(WARNING: All log messages before absl::InitializeLog|I\d{4} [\d:.]+ +\d+ )|^To enable the following instructions:/;

/** Calls `onLine` for each line of `stream`, without the engine's greetings. */
export function eachLine(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (!NOISE.test(line)) onLine(line);
  });
  stream.on('end', () => {
    if (rest && !NOISE.test(rest)) onLine(rest);
    rest = '';
  });
}
