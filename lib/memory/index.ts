/** Worker side. How much memory tensors take, and the limit on it. */
export {startMeter} from './meter';
export type {MemoryMeter, OperationRecord} from './meter';
export type {NamedBuffer} from './ledger';
export {MemoryLimitError} from './refusal';
export type {Refusal} from './refusal';
export {machineMemory, processMemory} from './processMemory';
