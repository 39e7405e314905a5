import { isMap, isNode, isScalar, LineCounter, parseAllDocuments } from "yaml";
import type { Document } from "yaml";
import type { SourcePosition } from "../../reconciler/core/desired.ts";
import type { HostPool, Manifest, Policy, Set as SetManifest } from "../../reconciler/core/manifest-types.ts";
import type { Loaded, Manifests } from "../../reconciler/core/manifests.ts";

/** Manifests of these files, by path. Documents are taken to be valid by their schemas. */
export function manifestsFrom(files: Readonly<Record<string, string>>): Manifests {
  return gather(Object.entries(files).flatMap(([path, text]) => loadText(path, text)));
}

/** Manifests of these documents, each in a file of its own with no text to show. */
export function manifestsOf(...documents: readonly Manifest[]): Manifests {
  return gather(documents.map(loaded));
}

/** One document without text: every position is the first of its file. */
export function loaded<Kind extends Manifest>(manifest: Kind): Loaded<Kind> {
  const position = { file: `${manifest.kind}/${manifest.metadata.name}.yaml`, line: 1, column: 1 };
  return { manifest, position, at: () => position, frame: () => "" };
}

export function gather(documents: readonly Loaded<Manifest>[], commit = "c0ffee"): Manifests {
  const ofKind = <Kind extends Manifest>(kind: Kind["kind"]): Loaded<Kind>[] =>
    documents.filter(({ manifest }) => manifest.kind === kind) as unknown as Loaded<Kind>[];
  return {
    revision: { commit },
    pools: ofKind<HostPool>("HostPool"),
    sets: ofKind<SetManifest>("Set"),
    policies: ofKind<Policy>("Policy"),
  };
}

function loadText(file: string, text: string): Loaded<Manifest>[] {
  const lines = new LineCounter();
  return parseAllDocuments(text, { lineCounter: lines }).map((document) => {
    if (document.errors.length > 0) throw document.errors[0]!;
    const at = (path: readonly (string | number)[]): SourcePosition => ({ file, ...lineAndColumn(lines, offsetOf(document, path)) });
    const frame = ({ line, column }: SourcePosition): string =>
      `${line} | ${text.split("\n")[line - 1]}\n${" ".repeat(`${line} | `.length + column - 1)}^`;
    return { manifest: document.toJS() as Manifest, position: at([]), at, frame };
  });
}

function lineAndColumn(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

/** Start of a scalar value, of the key of a map or list, or of the nearest parent that is written. */
function offsetOf(document: Document.Parsed, path: readonly (string | number)[]): number {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (!isNode(node)) continue;
    if (isScalar(node)) return node.range![0];
    const parent: unknown = document.getIn(path.slice(0, length - 1), true);
    const pair = isMap(parent) ? parent.items.find(({ key }) => isScalar(key) && key.value === path[length - 1]) : undefined;
    return isScalar(pair?.key) ? pair.key.range![0] : node.range![0];
  }
  return document.contents?.range[0] ?? 0;
}

/** A valid pool with three zones of ten hosts each, changed at will. */
export function pool(name: string, spec: Partial<HostPool["spec"]> = {}): HostPool {
  const capacity = { cpu: 16, memory: "64Gi", disk: "1Ti", bandwidth: "10gbit" };
  return {
    apiVersion: "setpoint/v1",
    kind: "HostPool",
    metadata: { name },
    spec: {
      network: { cidr: "10.20.0.0/16", gateway: "10.20.0.1" },
      hosts: ["a", "b", "c"].map((zone) => ({ name: `${name}-${zone}-[01-10]`, zone, rack: "r1", capacity })),
      ...spec,
    },
  };
}

/** A valid Set with one container in pool `main`, changed at will. */
export function set(name: string, spec: Partial<SetManifest["spec"]> = {}, labels?: Record<string, string>): SetManifest {
  return {
    apiVersion: "setpoint/v1",
    kind: "Set",
    metadata: labels === undefined ? { name } : { name, labels },
    spec: { pool: "main", ...(spec.scaling === undefined ? { replicas: 2 } : {}), template: { containers: [container("app")] }, ...spec },
  };
}

export function container(
  name: string,
  changes: Partial<SetManifest["spec"]["template"]["containers"][number]> = {},
): SetManifest["spec"]["template"]["containers"][number] {
  return { name, image: `shop/${name}:1.0`, resources: { cpu: { request: "500m" }, memory: { request: "512Mi" } }, ...changes };
}

export function policy(name: string, spec: Policy["spec"]): Policy {
  return { apiVersion: "setpoint/v1", kind: "Policy", metadata: { name }, spec };
}
