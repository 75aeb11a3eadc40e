/** Communication between ranks that are separate processes of one machine. */
export {
  createSharedGroup,
  sharedMemoryAvailable,
  DEFAULT_TIMEOUT_MS,
  type SharedGroup,
  type SharedGroupHandle,
} from './group';
export {sharedArrayHandles, type SharedArrayHandle} from './sharedArrays';
export {adoptArray, joinSharedGroup} from './transport';
