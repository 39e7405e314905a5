import { type Finding, finding, importsOf, resolveImport, type Source } from "./source.ts";

/** Which floors each floor may import besides itself (docs/ARCHITECTURE.md). `run/ports.ts` counts as a floor of its own. */
const FLOORS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  plan: ["core"],
  run: ["core", "plan", "ports"],
  ports: ["core"],
  sys: ["core"],
  io: ["core", "sys", "ports"],
  agent: ["core", "sys"],
  sim: ["core", "ports"],
  api: ["core", "run", "plan", "ports"],
  cli: ["core", "plan", "run", "ports", "sys", "io", "agent", "sim", "api"],
  "main.ts": ["core", "plan", "run", "ports", "sys", "io", "agent", "sim", "api", "cli"],
};

/** The files or folders that may import each package; a package that is not here may not be used. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "@bomb.sh/tab": ["reconciler/cli/completion.ts"],
  ajv: ["reconciler/io/manifests/", "reconciler/api/"],
  chokidar: ["reconciler/io/git/"],
  commander: ["reconciler/cli/"],
  dockerode: ["reconciler/agent/docker/"],
  execa: ["reconciler/sys/exec.ts", "reconciler/sys/stream-process.ts"],
  fastify: ["reconciler/api/"],
  pino: ["reconciler/sys/log.ts"],
  "simple-git": ["reconciler/io/git/"],
  yaml: ["reconciler/io/manifests/", "reconciler/cli/"],
  "node:child_process": ["reconciler/sys/exec.ts"],
  "node:sqlite": ["reconciler/io/store/", "reconciler/sim/store.ts"],
};

/** All that the pure floors may take from Node. */
const PURE_BUILTINS = ["node:crypto"];

/** Imports only go down, and never to a file outside reconciler/ but the schemas. */
export function floorBreaches(sources: readonly Source[]): Finding[] {
  return eachImport(sources, (source, specifier) => {
    if (!specifier.startsWith(".")) return null;
    const target = resolveImport(source, specifier);
    if (target.startsWith("schemas/") && source.path.startsWith("reconciler/io/manifests/")) return null;
    const [from, to] = [floorOf(source.path), floorOf(target)];
    if (from === to || FLOORS[from]?.includes(to) === true) return null;
    return `${from} may import ${FLOORS[from]?.join(", ") || "nothing"}, not ${target}`;
  });
}

/** Packages stay where they are wrapped; the pure floors take nothing from Node but hashes. */
export function packageBreaches(sources: readonly Source[]): Finding[] {
  return eachImport(sources, (source, specifier) => {
    if (specifier.startsWith(".")) return null;
    const floor = floorOf(source.path);
    if (specifier.startsWith("node:") && (floor === "core" || floor === "plan") && !PURE_BUILTINS.includes(specifier)) {
      return `${floor} may use ${PURE_BUILTINS.join(", ")} of Node, not ${specifier}`;
    }
    const name = specifier
      .split("/")
      .slice(0, specifier.startsWith("@") ? 2 : 1)
      .join("/");
    const places = PACKAGES[name] ?? (specifier.startsWith("node:") ? [""] : []);
    if (places.some((place) => source.path.startsWith(place))) return null;
    return `${name} belongs in ${places.join(", ") || "no file (enter a new package in test/tidy/imports.ts)"}`;
  });
}

/** Groups of files that import each other, directly or around, types included. One finding per cycle. */
export function importCycles(sources: readonly Source[]): Finding[] {
  const edges = new Map(
    sources.map((source) => {
      const targets = importsOf(source).filter(({ specifier }) => specifier.startsWith("."));
      return [source.path, targets.map(({ specifier }) => resolveImport(source, specifier))];
    }),
  );
  const done = new Set<string>();
  const findings: Finding[] = [];
  const trail: string[] = [];
  function follow(path: string): void {
    const start = trail.indexOf(path);
    if (start >= 0) findings.push(`import cycle: ${[...trail.slice(start), path].join(" -> ")}`);
    if (start >= 0 || done.has(path)) return;
    trail.push(path);
    for (const target of edges.get(path) ?? []) follow(target);
    trail.pop();
    done.add(path);
  }
  for (const path of edges.keys()) follow(path);
  return findings;
}

function floorOf(path: string): string {
  if (path === "reconciler/run/ports.ts") return "ports";
  const [top, floor] = path.split("/");
  return top === "reconciler" && floor !== undefined ? floor : path;
}

function eachImport(sources: readonly Source[], breachOf: (source: Source, specifier: string) => string | null): Finding[] {
  return sources.flatMap((source) =>
    importsOf(source).flatMap(({ specifier, start }) => {
      const breach = breachOf(source, specifier);
      return breach === null ? [] : [finding(source, start, breach)];
    }),
  );
}
