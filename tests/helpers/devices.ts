/** Devices that tests ask for. */

/** So many workers on the CPU. */
export const cpus = (count: number): string[] => Array.from({length: count}, () => 'cpu');
