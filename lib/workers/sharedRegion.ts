/**
 * Memory that two processes share. On Linux it is a memfd, which other processes open through
 * /proc: it has no name that could be left behind, and the limit of /dev/shm does not apply. On
 * macOS it is a POSIX segment, whose name is unlinked when all have attached. Without either, the
 * bytes are sent in the message itself.
 */
import {closeSync, openSync, statfsSync} from 'node:fs';
import {ManyHandsError, messageOf} from '../base/errors';
import {OPEN_FLAGS, systemCalls, type LibC} from './libc';

/** How another process finds a region; it is sent in a message. */
export type RegionHandle =
  | {kind: 'memfd'; pid: number; fd: number; bytes: number}
  | {kind: 'posix'; name: string; bytes: number}
  | {kind: 'message'; content: Uint8Array; bytes: number};

export interface SharedRegion {
  buffer: ArrayBuffer;
  handle: RegionHandle;
  /** Whether each side sees what the other side writes. */
  shared: boolean;
  /** Where the region is mapped in this process; null if it is not shared. */
  address: bigint | null;
  /** Removes the region's name, if it has one; call this when all processes have attached. */
  unlink(): void;
  /** Unmaps the region: no view of `buffer` may be used afterwards. */
  close(): void;
}

const READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffffffffffffffffn;
const CLOSE_ON_EXEC = 1;
const ENOSPC = 28;
const SHM = '/dev/shm';

function map(
  c: LibC,
  fd: number,
  bytes: number,
): {buffer: ArrayBuffer; address: bigint; unmap: () => void} {
  const address = c.mmap(null, bytes, READ_WRITE, MAP_SHARED, fd, 0);
  if (address === MAP_FAILED || address === -1n) {
    throw new ManyHandsError(
      'WORKER',
      `the system gave no ${bytes.toLocaleString('en-US')} bytes of shared memory (errno ${c.errno()}): close other programs, or train on less data.`,
    );
  }
  let mapped = true;
  return {
    buffer: c.view(address, bytes),
    address,
    unmap: () => {
      if (mapped) c.munmap(address, bytes);
      mapped = false;
    },
  };
}

/** Whether two handles refer to the same memory. */
export function sameRegion(a: RegionHandle, b: RegionHandle): boolean {
  if (a.kind === 'memfd' && b.kind === 'memfd')
    return a.pid === b.pid && a.fd === b.fd && a.bytes === b.bytes;
  return a.kind === 'posix' && b.kind === 'posix' && a.name === b.name;
}

/** Whether this process can create memory that other processes see. */
export function canShareMemory(): boolean {
  return systemCalls() !== null;
}

/**
 * The names of regions that other processes created. If those processes die, this process unlinks
 * the names.
 */
const foreign = new Set<string>();

/** Notes the name of a region that this process attaches to later, for `unlinkForeign`. */
export function noteRegion(handle: RegionHandle): void {
  if (handle.kind === 'posix') foreign.add(handle.name);
}

/** Unlinks the names that a dead caller left. */
export function unlinkForeign(): void {
  for (const name of foreign) systemCalls()?.shmUnlink(name);
  foreign.clear();
}

/**
 * Reserves the memory now, or throws WORKER: on a full file system a later write would end the
 * process with SIGBUS.
 */
function reserve(c: LibC, fd: number, bytes: number): void {
  if (c.ftruncate(fd, bytes) !== 0)
    throw new ManyHandsError(
      'WORKER',
      `the system gave no ${bytes.toLocaleString('en-US')} bytes of shared memory (errno ${c.errno()}).`,
    );
  const errno = c.fallocate?.(fd, 0, bytes) ?? 0;
  if (errno === 0) return;
  if (errno !== ENOSPC)
    throw new ManyHandsError(
      'WORKER',
      `the system gave no ${bytes.toLocaleString('en-US')} bytes of shared memory (errno ${errno}).`,
    );
  const {bavail, bsize} = statfsSync(SHM);
  throw new ManyHandsError(
    'WORKER',
    `shared memory is too small: ${bytes.toLocaleString('en-US')} bytes are needed at once and ${(bavail * bsize).toLocaleString('en-US')} are free in ${SHM}. Give it more room (a container: --shm-size=1g), or train on less data or a smaller model.`,
  );
}

/** A region whose bytes are sent in the message. */
function unshared(buffer: ArrayBuffer, handle: RegionHandle): SharedRegion {
  return {buffer, handle, shared: false, address: null, unlink: () => {}, close: () => {}};
}

let regionCount = 0;

/** Creates a region of `bytes` zero bytes; throws WORKER if the system gives no memory. */
export function createRegion(bytes: number): SharedRegion {
  const c = systemCalls();
  if (c === null || bytes === 0) {
    const content = new Uint8Array(bytes);
    return unshared(content.buffer, {kind: 'message', content, bytes});
  }
  regionCount += 1;
  const name = c.memfdCreate ? 'many-hands' : `/mh-${process.pid}-${regionCount}`;
  const fd = c.memfdCreate
    ? c.memfdCreate(name, CLOSE_ON_EXEC)
    : c.shmOpen(name, OPEN_FLAGS.create);
  if (fd < 0)
    throw new ManyHandsError('WORKER', `the system opened no shared memory (errno ${c.errno()}).`);
  let named = !c.memfdCreate;
  const unlink = () => {
    if (named) c.shmUnlink(name);
    named = false;
  };
  try {
    reserve(c, fd, bytes);
    const mapped = map(c, fd, bytes);
    const handle: RegionHandle = c.memfdCreate
      ? {kind: 'memfd', pid: process.pid, fd, bytes}
      : {kind: 'posix', name, bytes};
    let open = true;
    return {
      buffer: mapped.buffer,
      handle,
      shared: true,
      address: mapped.address,
      unlink,
      close: () => {
        if (!open) return;
        open = false;
        mapped.unmap();
        closeSync(fd);
        unlink();
      },
    };
  } catch (error) {
    closeSync(fd);
    unlink();
    throw error;
  }
}

/**
 * Attaches to a region that another process created. If the bytes were sent in the message, this
 * side has a copy. Throws WORKER if the region cannot be opened.
 */
export function attachRegion(handle: RegionHandle): SharedRegion {
  if (handle.kind === 'message') {
    // A structured clone may be a view into a larger buffer.
    const content =
      handle.content.byteOffset === 0 &&
      handle.content.byteLength === handle.content.buffer.byteLength
        ? handle.content
        : handle.content.slice();
    return unshared(content.buffer as ArrayBuffer, handle);
  }
  const c = systemCalls();
  if (c === null)
    throw new ManyHandsError(
      'INTERNAL',
      'internal: a shared region was offered to a process that cannot map it.',
    );
  let fd: number;
  try {
    if (handle.kind === 'memfd') fd = openSync(`/proc/${handle.pid}/fd/${handle.fd}`, 'r+');
    else fd = c.shmOpen(handle.name, OPEN_FLAGS.attach);
  } catch (error) {
    throw new ManyHandsError(
      'WORKER',
      `a worker could not open the caller's shared memory: ${messageOf(error)}`,
      {cause: error},
    );
  }
  if (fd < 0)
    throw new ManyHandsError(
      'WORKER',
      `a worker could not open the caller's shared memory (errno ${c.errno()}): something else removed it.`,
    );
  noteRegion(handle);
  const mapped = map(c, fd, handle.bytes);
  closeSync(fd);
  return {
    buffer: mapped.buffer,
    handle,
    shared: true,
    address: mapped.address,
    unlink: () => {
      if (handle.kind === 'posix') c.shmUnlink(handle.name);
    },
    close: mapped.unmap,
  };
}

/** Attaches to a region while `use` runs; without a handle, `use` gets null. */
export async function withRegion(
  handle: RegionHandle | null,
  use: (buffer: ArrayBuffer | null) => Promise<void>,
): Promise<void> {
  const region = handle && attachRegion(handle);
  try {
    await use(region?.buffer ?? null);
  } finally {
    region?.close();
  }
}

/** Memory that this process has mapped, as a buffer; the buffer does not keep it mapped. */
export function viewMapped(address: bigint, bytes: number): ArrayBuffer {
  return systemCalls()!.view(address, bytes);
}

/** Where an array of this process lies in memory; the array must stay alive while others use it. */
export function addressOf(array: ArrayBufferView): bigint {
  return systemCalls()!.address(array);
}

/** A region that another thread of this process has attached; that thread closes it. */
export function viewRegion(handle: RegionHandle, address: bigint): SharedRegion {
  return {
    buffer: viewMapped(address, handle.bytes),
    handle,
    shared: true,
    address,
    unlink: () => {},
    close: () => {},
  };
}
