/**
 * `many-hands/models`: small compiled models to try the library with, and the layer classes that
 * tfjs lacks. Importing it registers those classes with tfjs.
 */
export * from '../models';
