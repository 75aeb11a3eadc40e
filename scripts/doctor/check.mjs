/**
 * One check of the doctor: ok, warn or fail, a sentence, and the command that mends it.
 */
import {command} from '../setup/command.mjs';

/**
 * @typedef {{name: string, status: 'ok' | 'warn' | 'fail', message: string, fix: string | null}}
 * Check
 */
/** @typedef {import('../setup/paths.mjs').Paths} Paths */

/** What mends most of what is missing. */
export const SETUP = command('setup');

/**
 * @param {string} name
 * @param {string} message
 * @returns {Check}
 */
export const ok = (name, message) => ({name, status: 'ok', message, fix: null});
/**
 * @param {string} name
 * @param {string} message
 * @param {string | null} fix
 * @returns {Check}
 */
export const warn = (name, message, fix) => ({name, status: 'warn', message, fix});
/**
 * @param {string} name
 * @param {string} message
 * @param {string} fix
 * @returns {Check}
 */
export const fail = (name, message, fix) => ({name, status: 'fail', message, fix});

/**
 * @param {Paths} at
 * @returns {import('../setup/steps.mjs').Context}
 */
export const contextOf = (at) => ({at, verb: 'doctor', wantsEngine: true, from: null, work: ''});
