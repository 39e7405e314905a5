import { type FollowedHost, HostError, type Hosts } from "../../run/ports.ts";

/** Makes a transport when the first host that needs it is followed. */
export interface Transports {
  readonly sim: () => Hosts;
  readonly remote: () => Hosts;
}

/** Each host by the transport that its agent's address asks for. */
export function createHosts(transports: Transports): Hosts {
  const open = new Map<keyof Transports, Hosts>();
  let routes = new Map<string, Hosts>();

  function transport(kind: keyof Transports): Hosts {
    const known = open.get(kind) ?? transports[kind]();
    open.set(kind, known);
    return known;
  }

  function route(host: string): Hosts {
    const hosts = routes.get(host);
    if (hosts === undefined) throw new HostError(`${host} is not among the hosts followed`);
    return hosts;
  }

  return {
    follow(hosts, listener) {
      const byKind = { sim: hosts.filter(isSimulated), remote: hosts.filter((host) => !isSimulated(host)) };
      routes = new Map();
      for (const kind of ["sim", "remote"] as const) {
        if (byKind[kind].length === 0 && !open.has(kind)) continue;
        const to = transport(kind);
        for (const { name } of byKind[kind]) routes.set(name, to);
        to.follow(byKind[kind], listener);
      }
    },
    observe: async (host, signal) => await route(host).observe(host, signal),
    async *apply(host, request, signal) {
      yield* route(host).apply(host, request, signal);
    },
    async close() {
      await Promise.all([...open.values()].map((hosts) => hosts.close()));
    },
  };
}

function isSimulated({ agent }: FollowedHost): boolean {
  return agent === "sim";
}
