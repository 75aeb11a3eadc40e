/**
 * The part of the tfjs-node backend that this folder uses, as a type: tfjs declares only its own
 * interface.
 */

/** What the backend of tfjs-node offers beyond tfjs's own interface. */
export interface TensorFlowBackend {
  isUsingGpuDevice: boolean;
  /** Constants of TensorFlow's C API among them. */
  binding: {
    TF_Version: string;
    TF_ATTR_BOOL: number;
    TF_ATTR_STRING: number;
    TF_ATTR_TYPE: number;
    TF_FLOAT: number;
    TF_INT32: number;
  };
  executeSingleOutput(name: string, attributes: unknown[], inputs: unknown[]): unknown;
}
