/** Either side. Where a model's memory goes, before it is trained. */
export {account, ModelAccount} from './estimateMemory';
export {activationBytes, modelStateBytes, RECIPES, transformerParameters} from './formulas';
export type {ActivationOptions, Recipe, StateOptions, TransformerSizes} from './formulas';
export type {Account, AccountOptions, AccountRow} from './estimateMemory';
