/**
 * Set-up. What it says while it works: on stderr only, since stdout belongs to the command that
 * runs after it.
 */

const terminal = Boolean(process.stderr.isTTY) && !process.env.CI;

/** @param {string} line */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/**
 * Bytes as people read them: 274 MB, 1.3 GB.
 * @param {number} bytes
 */
export function megabytes(bytes) {
  if (bytes === 0) return '-';
  return bytes >= 1e9
    ? `${(bytes / 1e9).toFixed(1)} GB`
    : `${Math.max(1, Math.round(bytes / 1e6))} MB`;
}

/**
 * One step's progress: a line that is rewritten in a terminal, a line now and then in a log.
 * @param {string} name such as '[2/5] npm packages'
 */
export function progress(name) {
  const started = Date.now();
  let spoken = started;
  let last = '';
  const seconds = () => `${Math.round((Date.now() - started) / 1000)} s`;
  if (!terminal) say(`${name} ...`);
  return {
    /** @param {string} text */
    update(text) {
      if (terminal) {
        const line = `${name}: ${text}, ${seconds()}`;
        if (line !== last)
          process.stderr.write(`\r\x1b[2K${line.slice(0, (process.stderr.columns || 80) - 1)}`);
        last = line;
      } else if (Date.now() - spoken > 10_000) {
        spoken = Date.now();
        say(`${name}: ${text}, ${seconds()}`);
      }
    },
    /** @param {string} [note] */
    done(note = 'done') {
      say(`${terminal ? '\r\x1b[2K' : ''}${name}: ${note}, ${seconds()}`);
    },
    failed() {
      say(`${terminal ? '\r\x1b[2K' : ''}${name}: failed after ${seconds()}`);
    },
  };
}
