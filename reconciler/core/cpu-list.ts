/** CPU numbers as the kernel writes them (`0-1,4`): cpusets, isolcpus, affinity lists. */

/** No machine has more CPUs. */
export const MAX_CPUS = 4096;

/** `4,0-1` → [0, 1, 4], sorted, each once. null: malformed, backwards, or a number of MAX_CPUS and above. */
export function parseCpuList(text: string): number[] | null {
  const cpus = new Set<number>();
  for (const item of text.split(",")) {
    const match = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(item.trim());
    if (match === null) return null;
    const first = Number(match[1]);
    const last = Number(match[2] ?? first);
    if (first > last || last >= MAX_CPUS) return null;
    for (let cpu = first; cpu <= last; cpu++) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}

/** [0, 1, 4] → `0-1,4`: the one way to write it. Takes them sorted. */
export function formatCpuList(cpus: readonly number[]): string {
  const parts: string[] = [];
  for (let start = 0; start < cpus.length;) {
    let end = start;
    while (cpus[end + 1] === cpus[end]! + 1) end++;
    parts.push(start === end ? String(cpus[start]) : `${cpus[start]}-${cpus[end]}`);
    start = end + 1;
  }
  return parts.join(",");
}
