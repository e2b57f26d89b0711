/** Processor time of this thread since `process.threadCpuUsage()` was `started`: on a busy machine the clock tells other people's. */
export function cpuMsSince(started: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(started);
  return (user + system) / 1000;
}
