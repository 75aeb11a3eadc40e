/**
 * Compiled models to learn with, which know nothing of parallelism, and layer classes that tfjs
 * does not have. A worker imports this module before it rebuilds a model, because the import
 * registers those classes.
 */
export {convnet} from './convnet';
export type {ConvnetOptions} from './convnet';
export {drivingNet} from './drivingNet';
export type {DrivingNetOptions} from './drivingNet';
export {mlp} from './mlp';
export type {MlpOptions} from './mlp';
export {transformer} from './transformer';
export type {TransformerOptions} from './transformer';
export type {CompileOptions} from './compiled';
export * from './layers';
