/** `many-hands/quiz`: the questions that a notebook cell asks. */
export {answer} from '../quiz/answer';
export {predict, predicted, reconcile} from '../quiz/predict';
export {check, whichRan} from '../quiz/check';
export {earlierAnswers} from '../quiz/earlier';
export type {EarlierQuestion} from '../quiz/earlier';
