/** Where a model's memory goes, before it is trained. */
export {estimateMemory, MemoryEstimator} from './estimateMemory';
export {activationBytes, modelStateBytes, RECIPES, transformerParameters} from './formulas';
export type {ActivationOptions, Recipe, StateOptions, TransformerSizes} from './formulas';
export type {MemoryEstimate, EstimateMemoryOptions, MemoryEstimateRow} from './estimateMemory';
