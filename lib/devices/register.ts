/** The devices of this machine, and the engine of this process. */
export {tf, engineInfo} from './engine';
export {devices} from './devices';
