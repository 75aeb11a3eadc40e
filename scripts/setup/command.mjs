/**
 * Set-up. How its commands are typed where it runs: through npm in a clone, through npx where
 * `many-hands` was installed as a package.
 */
import {isPackage, rootFolder} from './paths.mjs';

/**
 * What to type for a command, with options where it has some.
 * @param {string} verb such as 'setup'
 * @param {string} [options] such as '--from FOLDER'
 */
export function command(verb, options = '') {
  if (isPackage(rootFolder())) return `npx many-hands ${verb}${options && ` ${options}`}`;
  return `${verb === 'start' ? 'npm start' : `npm run ${verb}`}${options && ` -- ${options}`}`;
}
