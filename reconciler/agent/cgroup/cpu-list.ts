/** The largest number of CPUs that Linux can be built for. */
const MOST_CPUS = 8192;

/** The CPUs of a list as the kernel writes it (`2-9,12`), ascending; null when it is no such list. Empty for the empty list. */
export function parseCpuList(text: string): readonly number[] | null {
  const cpus = new Set<number>();
  for (const part of text.trim() === "" ? [] : text.trim().split(",")) {
    const [, first, last] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part.trim()) ?? [];
    if (first === undefined) return null;
    const [from, to] = [Number(first), Number(last ?? first)];
    if (from > to || to >= MOST_CPUS) return null;
    for (let cpu = from; cpu <= to; cpu++) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}

/** Why Sets can't run on these CPUs of a host that has `online` ones; null when they can. */
export function cpuListProblem(cpus: string, online: string): string | null {
  const [wanted, present] = [parseCpuList(cpus), parseCpuList(online)];
  if (wanted === null || wanted.length === 0) return `"${cpus}" is no list of CPUs such as 2-9,12`;
  const missing = wanted.filter((cpu) => present?.includes(cpu) !== true);
  return missing.length === 0 ? null : `CPU ${missing.join(", ")} is not there to use; there are ${online}`;
}
