/**
 * `many-hands/collectives`: all-reduce and the other collectives as programs, as lists of messages
 * and as costs.
 */
export * from '../collectives';
