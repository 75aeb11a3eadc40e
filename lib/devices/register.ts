/** The devices of this machine, and the engine of this process. */
export {tf, engineInfo} from './engine';
export type {EngineInfo, EngineName} from './engine';
export {chooseDevices, devices} from './devices';
export type {Device} from './devices';
