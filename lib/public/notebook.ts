/** `many-hands/notebook`: tables, figures and drawings that a notebook cell shows. */
export * from '../notebook';
export {courseScale} from '../base/scale';
export type {CourseScale} from '../base/scale';
