import type { DesiredSet, Template } from "../../core/desired.ts";
import { contentHash } from "../../core/hash.ts";

type Hashes = "infraHash" | "containerHashes" | "specHash" | "liveHash";

/** A DesiredSet before its hashes: what a Set's manifest says (draft), then with its policies. */
export type SetDraft = Omit<DesiredSet, Hashes>;

/** The Set with the hashes that say whether an Instance is up to date, and what it takes to make it so. */
export function withHashes(draft: SetDraft): DesiredSet {
  const infraHash = contentHash(infraPart(draft.template));
  const containerHashes: Record<string, string> = {};
  for (const container of draft.template.containers) containerHashes[container.name] = contentHash(container);
  const specHash = contentHash({ containerHashes, infraHash });
  return { ...draft, infraHash, containerHashes, specHash, liveHash: contentHash(draft.live) };
}

/** What the infra container is made from: it owns the network, the volumes and the ports on the host, and starts the list. */
function infraPart({ containers, volumes, network }: Template): unknown {
  const hostPorts = containers.flatMap(({ ports }) =>
    ports.filter(({ hostPort }) => hostPort !== null).map(({ port, protocol, hostPort }) => `${hostPort}:${port}/${protocol}`),
  );
  return { hostPorts: hostPorts.sort(), launch: containers.map(({ name }) => name), network, volumes };
}
