#!/usr/bin/env node
/**
 * What every `npm run` of this package starts, and `npx many-hands` outside a clone:
 * checks Node.js, does the set-up that the command needs, runs it. Only this file and
 * setup/node.mjs are read by a Node.js that is too old, so both keep to old syntax.
 */
import {nodeFix, nodeProblem} from './setup/node.mjs';

var problem = nodeProblem(process.version);
if (problem !== null) {
  process.stderr.write(
    '\n' +
      problem +
      '\n' +
      '  Debian, Ubuntu:  ' +
      nodeFix.debian +
      '\n' +
      '  Fedora:          ' +
      nodeFix.fedora +
      '\n' +
      '  macOS:           ' +
      nodeFix.macos +
      '\n\n'
  );
  process.exit(1);
} else {
  import('./setup/dispatch.mjs')
    .then(function (dispatch) {
      return dispatch.main(process.argv.slice(2));
    })
    .then(
      function (code) {
        process.exitCode = code;
      },
      function (error) {
        process.stderr.write(((error && error.stack) || String(error)) + '\n');
        process.exitCode = 1;
      }
    );
}
