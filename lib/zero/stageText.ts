/**
 * Who holds what at each stage of ZeRO, in words for plans and errors.
 */

/** What a device holds, after 'each of 4 devices ...', by stage. */
export const HOLDS: readonly string[] = [
  'holds a copy of the model',
  "holds a copy of the model and a shard of the optimizer's state",
  "holds a copy of the model and a shard of the gradients and the optimizer's state",
  "holds a shard of the model, the gradients and the optimizer's state",
];

/** What is sharded, by stage. */
export const SHARDED: readonly string[] = [
  '',
  "the optimizer's state",
  "the gradients and the optimizer's state",
  "the model, the gradients and the optimizer's state",
];

/** What a higher stage would shard too, by stage; stage 3 shards everything. */
export const ADVICE: readonly string[] = [
  "Each rank holds all parameters, gradients and optimizer state: strategy 'fsdp' shards all three over the ranks, 'zero1' only the optimizer's state.",
  "Each rank holds all parameters and gradients: strategy 'fsdp' shards them too.",
  "Each rank holds all parameters: strategy 'fsdp' shards them too.",
];
