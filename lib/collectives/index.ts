/**
 * Collectives between ranks: one interface, several transports, and the textbook algorithms.
 */
export {
  ALGORITHMS,
  CITATIONS,
  type AlgorithmSteps,
  type Message,
  type Step,
  type StepOperation,
  type Textbook,
  type Traffic,
} from './algorithms';
export {fitAlphaBeta, type AlphaBeta, type MessageTime} from './alphaBeta';
export {createCommunicator} from './communicator';
export {createInProcessGroup, type InProcessGroupOptions} from './inProcess';
export {runRanks} from './runRanks';
export type {
  Algorithm,
  CallOptions,
  Communicator,
  FlightRecord,
  LedgerLine,
  Numbers,
  NumberType,
  OperationName,
  ReduceOp,
  ReduceOptions,
  TransportKind,
} from './types';
