/**
 * Worker side of the doctor. What the compiled library says of its engine and devices, in a process
 * of its own: an engine that crashes takes only this one with it.
 */
const {devices, engineInfo} = await import('#lib/devices/register.js');
const {physicalCores} = await import('#lib/base/cgroup.js');
process.stdout.write(
  `\n@@${JSON.stringify({devices: await devices(), engine: engineInfo(), cores: physicalCores()})}\n`,
);
