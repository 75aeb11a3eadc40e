/**
 * The size of a processor's cache line, to which arrays that several threads or engines use are
 * aligned.
 */

/**
 * Bytes of a cache line. It equals TensorFlow's EIGEN_MAX_ALIGN_BYTES: the engine uses an array
 * without a copy if the array starts on a multiple of this.
 */
export const CACHE_LINE_BYTES = 64;

/** Float32 elements of a cache line. */
export const CACHE_LINE_FLOATS = CACHE_LINE_BYTES / 4;
