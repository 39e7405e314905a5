import type { Container, DesiredSet, Template, Volume } from "../../core/desired.ts";
import { contentHash } from "../../core/hash.ts";

type Hashes = "infraHash" | "containerHashes" | "specHash" | "liveHash";

/** A DesiredSet before its hashes: what a Set's manifest says (draft), then with its policies. */
export type SetDraft = Omit<DesiredSet, Hashes>;

/** The Set with the hashes that say whether an Instance is up to date, and what it takes to make it so. */
export function withHashes(draft: SetDraft): DesiredSet {
  const infraHash = contentHash(infraPart(draft.template));
  const containerHashes: Record<string, string> = {};
  for (const container of draft.template.containers)
    containerHashes[container.name] = contentHash(containerPart(container, draft.template));
  const specHash = contentHash({ containerHashes, infraHash });
  return { ...draft, infraHash, containerHashes, specHash, liveHash: contentHash(draft.live) };
}

/** What the infra container is made from: it owns the network, the volumes and the ports on the host, and starts the list. */
function infraPart({ containers, volumes, network, sysctls }: Template): unknown {
  const hostPorts = containers.flatMap(({ ports }) =>
    ports.filter(({ hostPort }) => hostPort !== null).map(({ port, protocol, hostPort }) => `${hostPort}:${port}/${protocol}`),
  );
  const held = volumes.some(isFiles) ? volumes.filter((volume) => !isFiles(volume)) : volumes;
  return { hostPorts: hostPorts.sort(), launch: containers.map(({ name }) => name), network, sysctls, volumes: held };
}

/** What an app container is made from: all that it says itself, the runtime, and which secrets and files its volumes are. */
function containerPart(container: Container, { runtime, volumes }: Template): unknown {
  const files = container.mounts.flatMap(({ volume }) => volumes.filter((it) => it.name === volume).filter(isFiles));
  if (runtime === undefined && files.length === 0) return container;
  const secrets = files.filter(({ kind }) => kind === "secret");
  const configs = files.filter(({ kind }) => kind === "config");
  return { ...container, configs: noneIfEmpty(configs), runtime, secrets: noneIfEmpty(secrets) };
}

/** A field that is not there says as much as an empty list, and leaves older hashes as they were. */
function noneIfEmpty<Item>(list: readonly Item[]): readonly Item[] | undefined {
  return list.length === 0 ? undefined : list;
}

/** Volumes that belong to the containers that mount them; infra has no part in them. */
function isFiles({ kind }: Volume): boolean {
  return kind === "secret" || kind === "config";
}
