import { type Finding, finding, isNode, type Node, type Source } from "./source.ts";

/** Globals that read a clock, roll dice, do effects or postpone work. */
const IMPURE = new Set([
  ..."performance process console fetch crypto Promise setTimeout setInterval setImmediate queueMicrotask structuredClone".split(" "),
  ..."globalThis global require XMLHttpRequest WebSocket Worker Temporal".split(" "),
]);

/** In core and plan: no clock, chance, process, I/O or asynchrony. `sources` are the files of these floors. */
export function impurities(sources: readonly Source[]): Finding[] {
  return sources
    .filter(({ path }) => /^reconciler\/(core|plan)\//.test(path))
    .flatMap((source) => {
      return source.nodes.flatMap(({ node, parent, field }) => {
        const impurity = impurityOf(node, parent, field);
        return impurity === null ? [] : [finding(source, node.start, `${impurity} in a pure floor`)];
      });
    });
}

/** What makes the node impure; null when nothing does. */
function impurityOf(node: Node, parent: Node | null, field: string): string | null {
  if (node["async"] === true) return "an async function";
  if (node.type === "AwaitExpression" || (node.type === "ForOfStatement" && node["await"] === true)) return "await";
  if (node.type === "ImportExpression") return "import()";
  if (node.type === "MemberExpression") return impureMember(node);
  if ((node.type === "NewExpression" || node.type === "CallExpression") && isNamed(node["callee"], "Date")) {
    const isGiven = node.type === "NewExpression" && (node["arguments"] as unknown[]).length > 0;
    return isGiven ? null : "the present time (Date without an argument)";
  }
  if (node.type !== "Identifier" || isNameOnly(parent, field)) return null;
  return IMPURE.has(node["name"] as string) ? (node["name"] as string) : null;
}

function impureMember(node: Node): string | null {
  const { name } = node["property"] as { name?: string };
  if (isNamed(node["object"], "Date") && name === "now") return "Date.now";
  if (isNamed(node["object"], "Math") && name === "random") return "Math.random";
  return name?.startsWith("random") === true ? name : null;
}

/** True where an identifier is a name of a field and no reference: `x.process`, `{ process: 1 }`. */
function isNameOnly(parent: Node | null, field: string): boolean {
  if (parent === null) return false;
  const isField = field === "property" || field === "key";
  return (isField && parent["computed"] !== true && parent["shorthand"] !== true) || parent.type === "ImportSpecifier";
}

function isNamed(value: unknown, name: string): boolean {
  return isNode(value) && value.type === "Identifier" && value["name"] === name;
}
