/**
 * What an Instance reserves on a host and what a host offers.
 * All values are integers: CPU in thousandths of a core, memory and disk (LVM) in bytes,
 * ingress and egress in bits per second.
 */
export interface Resources {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly ingressBps: number;
  readonly egressBps: number;
}

/** Fixed order of the resources; also the column order of every typed array of reservations. */
export const RESOURCE_NAMES = ["cpuMillis", "memoryBytes", "diskBytes", "ingressBps", "egressBps"] as const;

export type ResourceName = (typeof RESOURCE_NAMES)[number];

export const NO_RESOURCES: Resources = {
  cpuMillis: 0,
  memoryBytes: 0,
  diskBytes: 0,
  ingressBps: 0,
  egressBps: 0,
};

/** Componentwise sum. */
export function addResources(a: Resources, b: Resources): Resources {
  return {
    cpuMillis: a.cpuMillis + b.cpuMillis,
    memoryBytes: a.memoryBytes + b.memoryBytes,
    diskBytes: a.diskBytes + b.diskBytes,
    ingressBps: a.ingressBps + b.ingressBps,
    egressBps: a.egressBps + b.egressBps,
  };
}

/** Componentwise maximum: what two versions of one Instance need at the worst moment. */
export function maxResources(a: Resources, b: Resources): Resources {
  return {
    cpuMillis: Math.max(a.cpuMillis, b.cpuMillis),
    memoryBytes: Math.max(a.memoryBytes, b.memoryBytes),
    diskBytes: Math.max(a.diskBytes, b.diskBytes),
    ingressBps: Math.max(a.ingressBps, b.ingressBps),
    egressBps: Math.max(a.egressBps, b.egressBps),
  };
}

export function sameResources(a: Resources, b: Resources): boolean {
  return (
    a === b ||
    (a.cpuMillis === b.cpuMillis &&
      a.memoryBytes === b.memoryBytes &&
      a.diskBytes === b.diskBytes &&
      a.ingressBps === b.ingressBps &&
      a.egressBps === b.egressBps)
  );
}
