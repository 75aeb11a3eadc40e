/**
 * Gives the engine of this process one thread, before it loads: sums are then in the order of the
 * workers, which have one thread too.
 */
process.env.TF_NUM_INTRAOP_THREADS = '1';
process.env.TF_NUM_INTEROP_THREADS = '1';
process.env.OMP_NUM_THREADS = '1';
process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
