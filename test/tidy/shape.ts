import { basename } from "node:path";
import { type Finding, finding, isNode, type Node, type Source } from "./source.ts";

const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 70;

/** Made by `npm run generate`. */
const GENERATED = ["reconciler/core/manifest-types.ts"];

export function longFiles(sources: readonly Source[]): Finding[] {
  return sources.flatMap((source) => {
    const lines = source.text.trimEnd().split("\n").length;
    if (lines <= MAX_FILE_LINES || GENERATED.includes(source.path)) return [];
    return [`${source.path}: ${lines} lines; a file has at most ${MAX_FILE_LINES}`];
  });
}

export function longFunctions(sources: readonly Source[]): Finding[] {
  return findNodes(sources, (node, source) => {
    if (!["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"].includes(node.type)) return null;
    const lines = source.text.slice(node.start, node.end).split("\n").length;
    return lines > MAX_FUNCTION_LINES ? `a function of ${lines} lines; at most ${MAX_FUNCTION_LINES}` : null;
  });
}

/** Names that say nothing, and index files that only re-export. */
export function vagueNames(sources: readonly Source[]): Finding[] {
  const vague = ["utils", "util", "helpers", "helper", "common", "misc", "index"];
  return sources.flatMap(({ path }) => {
    const parts = path.split("/").map((part) => basename(part, ".ts"));
    const found = parts.find((part) => vague.includes(part));
    return found === undefined ? [] : [`${path}: "${found}" says nothing; name it by what is in it`];
  });
}

export function defaultExports(sources: readonly Source[]): Finding[] {
  return findNodes(sources, (node) => {
    const isNamedDefault = node.type === "ExportSpecifier" && (node["exported"] as { name?: string }).name === "default";
    return node.type === "ExportDefaultDeclaration" || isNamedDefault ? "a default export; export it by name" : null;
  });
}

export function enums(sources: readonly Source[]): Finding[] {
  return findNodes(sources, (node) => (node.type === "TSEnumDeclaration" ? "an enum; use a union of literals" : null));
}

/** State that lives as long as the process and that nobody passes in. */
export function moduleVariables(sources: readonly Source[]): Finding[] {
  return sources.flatMap((source) =>
    (source.program["body"] as Node[]).flatMap((statement) => {
      const declaration = isNode(statement["declaration"]) ? statement["declaration"] : statement;
      const isVariable = declaration.type === "VariableDeclaration" && declaration["kind"] !== "const";
      return isVariable ? [finding(source, statement.start, "a variable of the module; keep state in an object that is passed")] : [];
    }),
  );
}

/** Work that was put off, and references to papers that are not in the repository. */
export function leftovers(sources: readonly Source[]): Finding[] {
  return sources.flatMap((source) =>
    source.comments
      .filter(({ value }) => /\b(TODO|FIXME|XXX|HACK|DESIGN|SEMANTICS|STYLE)\b/.test(value))
      .map(({ start, value }) => finding(source, start, `left over: ${value.trim()}`)),
  );
}

/** Tests that are not run, that hide others, or that replace modules instead of passing ports. */
export function hollowTests(sources: readonly Source[]): Finding[] {
  const forbidden = ["only", "skip", "todo", "skipIf", "runIf", "fails"];
  return findNodes(sources, (node) => {
    if (node.type !== "MemberExpression") return null;
    const { name } = node["property"] as { name?: string };
    const root = rootName(node);
    if (root === "vi" && ["mock", "doMock", "hoisted"].includes(name ?? "")) return `vi.${name}; pass a port instead`;
    const isTest = ["test", "it", "describe", "propertyTest"].includes(root ?? "");
    return isTest && forbidden.includes(name ?? "") ? `${root}.${name}: every test runs` : null;
  });
}

/** `describe` for `describe.each(x).only`. */
function rootName(node: Node): string | null {
  let at: unknown = node;
  while (isNode(at) && at.type !== "Identifier") at = at["object"] ?? at["callee"] ?? at["tag"];
  return isNode(at) ? (at["name"] as string) : null;
}

function findNodes(sources: readonly Source[], breachOf: (node: Node, source: Source) => string | null): Finding[] {
  return sources.flatMap((source) =>
    source.nodes.flatMap(({ node }) => {
      const breach = breachOf(node, source);
      return breach === null ? [] : [finding(source, node.start, breach)];
    }),
  );
}
