import { type Finding, finding, isNode, type Node, type Source } from "./source.ts";

/** A code that a message carries: where it is written and what it is. */
interface WrittenCode {
  readonly source: Source;
  readonly start: number;
  readonly code: string;
}

/** Codes that reach people but are not in the catalogue. */
export function unknownCodes(sources: readonly Source[], known: ReadonlySet<string>): Finding[] {
  return writtenCodes(sources)
    .filter(({ code }) => !known.has(code))
    .map(({ source, start, code }) => finding(source, start, `the code "${code}" is not in core/errors`));
}

/** Entries of the catalogue that no source file mentions, neither as a string nor as one that a template can give. */
export function deadCodes(sources: readonly Source[], known: ReadonlySet<string>): Finding[] {
  const mentioned = new Set<unknown>();
  const templates: RegExp[] = [];
  for (const source of sources.filter(({ path }) => !path.startsWith("reconciler/core/errors/"))) {
    for (const { node } of source.nodes) {
      if (node.type === "Literal") mentioned.add(node["value"]);
      const pattern = node.type === "TemplateLiteral" ? codePattern(node) : null;
      if (pattern !== null) templates.push(pattern);
    }
  }
  return [...known]
    .filter((code) => !mentioned.has(code) && !templates.some((pattern) => pattern.test(code)))
    .map((code) => `the code "${code}" is in core/errors, but nothing uses it`);
}

/** `host-${reach}` → /^host-[a-z0-9]+$/; null for a template that makes no code. */
function codePattern(template: Node): RegExp | null {
  const parts = (template["quasis"] as { value: { raw: string } }[]).map(({ value }) => value.raw);
  const isCode = parts.join("").length > 0 && parts.every((part) => /^[a-z0-9.-]*$/.test(part)) && /^[a-z]+[.-]/.test(parts[0]!);
  return isCode ? new RegExp(`^${parts.map((part) => part.replaceAll(".", "\\.")).join("[a-z0-9]+")}$`) : null;
}

/** First arguments of UserError, and `code` of the objects that are shown to people: those with a severity or a hint. */
function writtenCodes(sources: readonly Source[]): WrittenCode[] {
  return sources.flatMap((source) =>
    source.nodes
      .flatMap(({ node }) => codeExpressions(node))
      .flatMap(literalsOf)
      .map((literal) => ({ source, start: literal.start, code: literal["value"] as string })),
  );
}

function codeExpressions(node: Node): Node[] {
  if (node.type === "NewExpression" && (node["callee"] as { name?: string }).name === "UserError") {
    return (node["arguments"] as Node[]).slice(0, 1);
  }
  if (node.type !== "ObjectExpression") return [];
  const properties = (node["properties"] as Node[]).filter((property) => property.type === "Property");
  const names = properties.map((property) => (property["key"] as { name?: string }).name);
  if (!names.includes("severity") && !names.includes("hint")) return [];
  return properties.filter((_, position) => names[position] === "code").map((property) => property["value"] as Node);
}

/** The strings that an expression can be, as far as they are written in it: `a ? "x" : "y"` → x, y. */
function literalsOf(expression: Node): Node[] {
  if (expression.type === "Literal" && typeof expression["value"] === "string") return [expression];
  if (expression.type !== "ConditionalExpression") return [];
  return [expression["consequent"], expression["alternate"]].filter(isNode).flatMap(literalsOf);
}
