/** Devices and their engines. */
export {tf, engineInfo} from './engine';
export type {EngineInfo, EngineName} from './engine';
export {chooseDevices, devices} from './devices';
export type {Device} from './devices';
