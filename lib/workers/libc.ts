/**
 * The system calls for memory that two processes share, through koffi.
 */
import {constants} from 'node:fs';
import {ManyHandsError} from '../base/errors';

export interface LibC {
  /** Shared memory without a name: Linux. */
  memfdCreate: ((name: string, flags: number) => number) | null;
  /** Shared memory with a name: macOS, and where it is forced. */
  shmOpen: (name: string, flags: number) => number;
  shmUnlink: (name: string) => number;
  ftruncate: (fd: number, bytes: number) => number;
  /**
   * Reserves the memory at once and returns the error's number; null on systems where named memory
   * does not have a file system of its own that can be full.
   */
  fallocate: ((fd: number, offset: number, bytes: number) => number) | null;
  mmap: (
    address: null,
    bytes: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ) => bigint;
  munmap: (address: bigint, bytes: number) => number;
  view: (address: bigint, bytes: number) => ArrayBuffer;
  address: (array: ArrayBufferView) => bigint;
  errno: () => number;
}

/**
 * `message`: as where koffi does not load; `posix`: as where shared memory has a name. A process and
 * its workers have one form for their whole lives, so it is read once.
 */
const FORCED = process.env.MANY_HANDS_TRANSPORT || null;

/** Refuses a form that does not exist, and a change that would have no effect. */
function forced(): string | null {
  const now = process.env.MANY_HANDS_TRANSPORT || null;
  if (now !== FORCED)
    throw new ManyHandsError(
      'BAD_OPTION',
      `MANY_HANDS_TRANSPORT is read once, when a process starts: then it was ${FORCED}, now it is ${now}.`,
    );
  if (now !== null && now !== 'message' && now !== 'posix')
    throw new ManyHandsError(
      'BAD_OPTION',
      `MANY_HANDS_TRANSPORT must be 'message' or 'posix'; it is '${now}'.`,
    );
  return now;
}

/** Whether shared memory has a name here, which must be unlinked. */
export const namedMemory = () => process.platform !== 'linux' || forced() === 'posix';

let libc: LibC | null | undefined;

function load(): LibC | null {
  if (forced() === 'message' || !['linux', 'darwin'].includes(process.platform)) return null;
  try {
    const koffi = require('koffi') as typeof import('koffi', { with: {
      'resolution-mode': 'import',
    }});
    const c = koffi.load(null);
    const named = namedMemory();
    const open = named ? c.func('int shm_open(const char *name, int flags, ...)') : null;
    return {
      memfdCreate: named
        ? null
        : (c.func('int memfd_create(const char *name, unsigned int flags)') as LibC['memfdCreate']),
      shmOpen: (name, flags) => open!(name, flags, 'int', 0o600) as number,
      shmUnlink: named
        ? (c.func('int shm_unlink(const char *name)') as LibC['shmUnlink'])
        : () => 0,
      ftruncate: c.func('int ftruncate(int fd, int64_t length)') as LibC['ftruncate'],
      fallocate:
        named && process.platform === 'linux'
          ? (c.func(
              'int posix_fallocate(int fd, int64_t offset, int64_t length)',
            ) as LibC['fallocate'])
          : null,
      mmap: c.func(
        'void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)',
      ) as LibC['mmap'],
      munmap: c.func('int munmap(void *address, size_t length)') as LibC['munmap'],
      view: (address, bytes) => koffi.view(address, bytes),
      address: (array) => koffi.address(array),
      errno: () => koffi.errno(),
    };
  } catch {
    // Without koffi the bytes travel in messages.
    return null;
  }
}

/** Null where processes cannot share memory. */
export function systemCalls(): LibC | null {
  forced();
  if (libc === undefined) libc = load();
  return libc;
}

export const OPEN_FLAGS = {
  create: constants.O_CREAT | constants.O_EXCL | constants.O_RDWR,
  attach: constants.O_RDWR,
};
