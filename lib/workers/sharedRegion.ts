/**
 * Either side. Memory that two processes see at once. On Linux a memfd, opened by the others through /proc: it has no name to
 * leak and no limit of /dev/shm. On macOS a POSIX segment, unlinked as soon as the other side has attached. Where neither is to
 * be had the bytes travel in the message itself.
 */
import {closeSync, openSync} from 'node:fs';
import {ManyHandsError, messageOf} from '../base/errors';

/** How another process finds a region; it crosses in a message. */
export type RegionHandle =
  | {kind: 'memfd'; pid: number; fd: number; bytes: number}
  | {kind: 'posix'; name: string; bytes: number}
  | {kind: 'message'; content: Uint8Array; bytes: number};

export interface SharedRegion {
  buffer: ArrayBuffer;
  handle: RegionHandle;
  /** True when writes of one side are seen by the other. */
  shared: boolean;
  /** Where it is mapped in this process; null where it is not. */
  address: bigint | null;
  /** Unmaps: no view of `buffer` may be touched afterwards. */
  close(): void;
}

interface LibC {
  memfd_create?: (name: string, flags: number) => number;
  shm_open?: (name: string, flags: number, kind: 'int', mode: number) => number;
  shm_unlink?: (name: string) => number;
  ftruncate: (fd: number, bytes: number) => number;
  mmap: (address: null, bytes: number, protection: number, flags: number, fd: number, offset: number) => bigint;
  munmap: (address: bigint, bytes: number) => number;
  view: (address: bigint, bytes: number) => ArrayBuffer;
  errno: () => number;
}

const READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = 0xffffffffffffffffn;
const CLOSE_ON_EXEC = 1;
const DARWIN_CREATE = 0x0200 | 0x0800 | 0x0002;
const DARWIN_OPEN = 0x0002;

let libc: LibC | null | undefined;

function load(): LibC | null {
  if (libc !== undefined) return libc;
  libc = null;
  if (process.env.MANY_HANDS_TRANSPORT === 'message') return libc;
  try {
    const koffi = require('koffi') as typeof import('koffi', {with: {'resolution-mode': 'import'}});
    const c = koffi.load(null);
    const base = {
      ftruncate: c.func('int ftruncate(int fd, int64_t length)'),
      mmap: c.func('void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)'),
      munmap: c.func('int munmap(void *address, size_t length)'),
      view: (address: bigint, bytes: number) => koffi.view(address, bytes),
      errno: () => koffi.errno(),
    };
    if (process.platform === 'linux') {
      libc = {...base, memfd_create: c.func('int memfd_create(const char *name, unsigned int flags)')} as LibC;
    } else if (process.platform === 'darwin') {
      libc = {
        ...base,
        shm_open: c.func('int shm_open(const char *name, int flags, ...)'),
        shm_unlink: c.func('int shm_unlink(const char *name)'),
      } as LibC;
    }
  } catch {
    // Without koffi the bytes travel in messages.
  }
  return libc;
}

function map(c: LibC, fd: number, bytes: number): {buffer: ArrayBuffer; address: bigint; unmap: () => void} {
  const address = c.mmap(null, bytes, READ_WRITE, MAP_SHARED, fd, 0);
  if (address === MAP_FAILED || address === -1n) {
    throw new ManyHandsError('WORKER', `the system gave no ${bytes} bytes of shared memory (errno ${c.errno()}): close other programs, or train on less data.`);
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

/** Whether this process can make memory that others see. */
export function canShareMemory(): boolean {
  return load() !== null;
}

let made = 0;

/** Makes a region of `bytes` bytes, all zero. */
export function createRegion(bytes: number): SharedRegion {
  const c = load();
  if (c === null || bytes === 0) {
    const content = new Uint8Array(bytes);
    return {buffer: content.buffer, handle: {kind: 'message', content, bytes}, shared: false, address: null, close: () => {}};
  }
  made += 1;
  const name = c.memfd_create ? 'many-hands' : `/mh-${process.pid}-${made}`;
  const fd = c.memfd_create ? c.memfd_create(name, CLOSE_ON_EXEC) : c.shm_open!(name, DARWIN_CREATE, 'int', 0o600);
  if (fd < 0) throw new ManyHandsError('WORKER', `the system opened no shared memory (errno ${c.errno()}).`);
  const release = () => {
    closeSync(fd);
    if (c.shm_unlink) c.shm_unlink(name);
  };
  try {
    if (c.ftruncate(fd, bytes) !== 0) throw new ManyHandsError('WORKER', `the system gave no ${bytes} bytes of shared memory (errno ${c.errno()}).`);
    const mapped = map(c, fd, bytes);
    const handle: RegionHandle = c.memfd_create ? {kind: 'memfd', pid: process.pid, fd, bytes} : {kind: 'posix', name, bytes};
    let open = true;
    return {
      buffer: mapped.buffer,
      handle,
      shared: true,
      address: mapped.address,
      close: () => {
        if (!open) return;
        open = false;
        mapped.unmap();
        release();
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}

/** Attaches to a region that another process made; the two see one memory, or, by message, this side has a copy. */
export function attachRegion(handle: RegionHandle): SharedRegion {
  if (handle.kind === 'message') {
    // A structured clone may be a view into a larger buffer.
    const content = handle.content.byteOffset === 0 && handle.content.byteLength === handle.content.buffer.byteLength ? handle.content : handle.content.slice();
    return {buffer: content.buffer as ArrayBuffer, handle, shared: false, address: null, close: () => {}};
  }
  const c = load();
  if (c === null) throw new ManyHandsError('INTERNAL', 'internal: a shared region was offered to a process that cannot map it.');
  let fd: number;
  try {
    if (handle.kind === 'memfd') fd = openSync(`/proc/${handle.pid}/fd/${handle.fd}`, 'r+');
    else fd = c.shm_open!(handle.name, DARWIN_OPEN, 'int', 0);
  } catch (error) {
    throw new ManyHandsError('WORKER', `a worker could not open the caller's shared memory: ${messageOf(error)}`, {cause: error});
  }
  if (fd < 0) throw new ManyHandsError('WORKER', `a worker could not open the caller's shared memory (errno ${c.errno()}).`);
  const mapped = map(c, fd, handle.bytes);
  closeSync(fd);
  return {buffer: mapped.buffer, handle, shared: true, address: mapped.address, close: mapped.unmap};
}
