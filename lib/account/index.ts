/** Either side. Where a model's memory goes, before it is trained. */
export {account, ModelAccount} from './account';
export {activationBytes, modelStateBytes, RECIPES, transformerParameters} from './formulas';
export type {ActivationOptions, Recipe, StateOptions, TransformerSizes} from './formulas';
export type {Account, AccountOptions, AccountRow} from './account';
