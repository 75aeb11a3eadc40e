/** Ranks in processes of their own, on one machine. */
export {
  createSharedGroup,
  sharedMemoryAvailable,
  DEFAULT_TIMEOUT_MS,
  type SharedGroup,
  type SharedGroupHandle,
} from './group';
export {adoptArray, joinSharedGroup, sharedArrayHandles, type SharedArrayHandle} from './transport';
