/**
 * Runs one TensorFlow operation through its own C library and looks at its pointers: which outputs
 * lie in an input's buffer.
 */
import {readFileSync} from 'node:fs';
import koffi from 'koffi';

export interface ProbeInput {
  /** TF_DataType. */
  type: number;
  shape: number[];
  values: ArrayBufferView;
}

export interface ProbeOutput {
  shape: number[];
  bytes: number;
  /** The input in whose buffer it lies, -1 for one of its own. */
  from: number;
}

export interface ProbeAttribute {
  name: string;
  type: number;
  value: unknown;
}

const BYTES: Record<number, number> = {1: 4, 3: 4, 8: 8, 10: 1};

/** Where the engine's library is loaded in this process; null where the system does not say. */
function libraryPath(): string | null {
  if (process.platform !== 'linux') return null;
  return /\S*libtensorflow_cc\S*/.exec(readFileSync('/proc/self/maps', 'utf8'))?.[0] ?? null;
}

/** The probe, or null where the library cannot be found (the engine must be loaded first). */
export function tensorflowProbe():
  | ((
      op: string,
      attributes: ProbeAttribute[],
      inputs: ProbeInput[],
      outputs: number,
    ) => ProbeOutput[])
  | null {
  const path = libraryPath();
  if (!path) return null;
  const library = koffi.load(path);
  const c = (declaration: string) => library.func(declaration);
  const newStatus = c('void *TF_NewStatus()');
  const code = c('int TF_GetCode(void *)');
  const message = c('str TF_Message(void *)');
  const allocate = c('void *TF_AllocateTensor(int, int64_t *, int, size_t)');
  const data = c('void *TF_TensorData(void *)');
  const byteSize = c('size_t TF_TensorByteSize(void *)');
  const rank = c('int TF_NumDims(void *)');
  const dim = c('int64_t TF_Dim(void *, int)');
  const deleteTensor = c('void TF_DeleteTensor(void *)');
  const newHandle = c('void *TFE_NewTensorHandle(void *, void *)');
  const resolve = c('void *TFE_TensorHandleResolve(void *, void *)');
  const deleteHandle = c('void TFE_DeleteTensorHandle(void *)');
  const newOp = c('void *TFE_NewOp(void *, str, void *)');
  const deleteOp = c('void TFE_DeleteOp(void *)');
  const addInput = c('void TFE_OpAddInput(void *, void *, void *)');
  const setString = c('void TFE_OpSetAttrString(void *, str, str, size_t)');
  const setInt = c('void TFE_OpSetAttrInt(void *, str, int64_t)');
  const setInts = c('void TFE_OpSetAttrIntList(void *, str, int64_t *, int)');
  const setFloat = c('void TFE_OpSetAttrFloat(void *, str, float)');
  const setBool = c('void TFE_OpSetAttrBool(void *, str, uint8_t)');
  const setType = c('void TFE_OpSetAttrType(void *, str, int)');
  const execute = c('void TFE_Execute(void *, _Out_ void **, _Inout_ int *, void *)');

  const status = newStatus();
  const check = (): void => {
    if (code(status) !== 0) throw new Error(message(status) as string);
  };
  const context = c('void *TFE_NewContext(void *, void *)')(
    c('void *TFE_NewContextOptions()')(),
    status,
  );
  check();

  function setAttribute(op: unknown, {name, type, value}: ProbeAttribute): void {
    if (type === 0) setString(op, name, value, (value as string).length);
    else if (type === 1 && Array.isArray(value)) setInts(op, name, value, value.length);
    else if (type === 1) setInt(op, name, value);
    else if (type === 2) setFloat(op, name, value);
    else if (type === 3) setBool(op, name, value ? 1 : 0);
    else if (type === 4) setType(op, name, value);
    else throw new Error(`attribute ${name} has type ${type}`);
  }

  return (name, attributes, inputs, outputs) => {
    const op = newOp(context, name, status);
    check();
    const ranges: [bigint, bigint][] = [];
    const handles = inputs.map(({type, shape, values}) => {
      const bytes = shape.reduce((a, b) => a * b, 1) * BYTES[type];
      const tensor = allocate(type, shape, shape.length, bytes);
      const pointer = data(tensor);
      if (bytes > 0)
        new Uint8Array(koffi.view(pointer, bytes)).set(
          new Uint8Array(values.buffer, values.byteOffset, bytes),
        );
      const start = bytes > 0 ? BigInt(koffi.address(pointer)) : 0n;
      ranges.push([start, start + BigInt(bytes)]);
      const handle = newHandle(tensor, status);
      check();
      deleteTensor(tensor);
      addInput(op, handle, status);
      check();
      return handle;
    });
    for (const attribute of attributes) setAttribute(op, attribute);
    const results: unknown[] = new Array(outputs).fill(null);
    execute(op, results, [outputs], status);
    check();
    const seen = results.map((handle): ProbeOutput => {
      const tensor = resolve(handle, status);
      check();
      const shape = Array.from({length: rank(tensor) as number}, (_, i) => Number(dim(tensor, i)));
      const bytes = Number(byteSize(tensor));
      const at = bytes > 0 ? BigInt(koffi.address(data(tensor))) : 0n;
      deleteTensor(tensor);
      return {
        shape,
        bytes,
        from: bytes > 0 ? ranges.findIndex(([start, end]) => at >= start && at < end) : -1,
      };
    });
    for (const handle of [...handles, ...results]) deleteHandle(handle);
    deleteOp(op);
    return seen;
  };
}
