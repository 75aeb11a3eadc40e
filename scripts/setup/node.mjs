/**
 * Set-up. Whether this Node.js runs Many Hands. Plain old syntax, no imports: a Node.js that is too
 * old must get as far as this sentence.
 */

/**
 * The sentence that says what is wrong with a version such as 'v18.20.4', or null.
 * @param {string} version
 */
export function nodeProblem(version) {
  var parts = String(version).replace(/^v/, '').split('.').map(Number);
  var major = parts[0];
  var minor = parts[1];
  var want =
    'Many Hands runs on Node.js 20.19 or later of 20, 22.12 or later of 22, and on 24, 25, 26.';
  if (major === 21 || major === 23) {
    return (
      'This is Node.js ' +
      version +
      '; ' +
      major +
      ' was a short-lived release that cannot run this course. ' +
      want
    );
  }
  if (major < 20 || (major === 20 && minor < 19) || (major === 22 && minor < 12)) {
    return 'This is Node.js ' + version + ', which is too old. ' + want;
  }
  return null;
}

/** The command that puts a good Node.js in place, by system. */
export var nodeFix = {
  debian: 'sudo apt-get install -y curl npm && sudo npm install -g n && sudo n 24 && hash -r',
  fedora: 'sudo dnf install -y curl npm && sudo npm install -g n && sudo n 24 && hash -r',
  macos: 'brew install node@24 && brew link --overwrite --force node@24'
};
