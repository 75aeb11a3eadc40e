/** The public list of `many-hands`, and nothing else. */
export {ManyHandsError} from './base/errors';
