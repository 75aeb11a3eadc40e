/** The data sets: handwritten digits, driving videos, text. */
export {mnist, mnistModule, mnistPart} from './mnist';
export type {MnistOptions, MnistPartOptions} from './mnist';
export {carVideo, drivingFrames, drivingModule} from './driving';
export type {DrivingFrames, DrivingOptions} from './driving';
export type {Bend} from './road';
export {textTokens, decodeText, encodeText, textCorpus, textModule, TEXT_VOCABULARY} from './text';
export type {TextOptions} from './text';
export {sampleRange} from './samples';
export type {Samples} from './samples';
