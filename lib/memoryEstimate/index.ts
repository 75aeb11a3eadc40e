/** Estimates of a model's memory, measured layer by layer or by formula. */
export {estimateMemory, MemoryEstimator} from './estimateMemory';
export {activationBytes, modelStateBytes, transformerParameters} from './formulas';
export type {MemoryEstimate, EstimateMemoryOptions, MemoryEstimateRow} from './estimateMemory';
