/** How long this process has computed, in ms: unlike time that passes, it is not longer on a busy machine. */
export function computed(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
