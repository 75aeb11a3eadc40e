/** Measures how much memory tensors take, and limits it. */
export {inWords} from './categories';
export type {ByCategory, Category} from './categories';
export {
  holdArray,
  noteStep,
  sharesBuffer,
  startMeter,
  tagMemory,
  withMemoryFor,
  withMeter,
} from './meter';
export type {MemoryMeter} from './meter';
export type {NamedBuffer} from './ledger';
export {processMemory} from './processMemory';
