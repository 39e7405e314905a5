import { isAlias, isMap, isNode, isScalar, visit } from "yaml";
import type { Alias, Document, Node, YAMLMap } from "yaml";
import { MAX_ALIASES } from "./limits.ts";
import type { Mistake } from "./mistake.ts";

export type YamlDocument = Document.Parsed;

interface Anchors {
  /** Nodes by anchor, as far as read. */
  readonly named: Map<string, Node>;
  /** Nodes with an alias somewhere inside. */
  readonly holdingAlias: Set<Node>;
  aliases: number;
}

/** What well-formed YAML may hold but a manifest may not: duplicate keys, merge keys, other YAML versions, costly or circular aliases. */
export function structureMistakes(document: YamlDocument): readonly Mistake[] {
  const mistakes: Mistake[] = [];
  const version = document.directives.yaml;
  if (version.explicit === true && version.version !== "1.2") {
    mistakes.push({
      code: "yaml-feature",
      offset: document.range[0],
      message: `the document asks for YAML ${version.version}; manifests are YAML 1.2`,
      hint: "Remove the line that starts with %YAML.",
    });
  }
  const anchors: Anchors = { named: new Map(), holdingAlias: new Set(), aliases: 0 };
  visit(document, {
    Node(_key, node, path) {
      if (isMap(node)) mistakes.push(...keyMistakes(node));
      if (isAlias(node)) {
        const mistake = aliasMistake(node, anchors, path.filter(isNode));
        if (mistake !== null) mistakes.push(mistake);
        return anchors.aliases > MAX_ALIASES ? visit.BREAK : undefined;
      }
      if (node.anchor !== undefined) anchors.named.set(node.anchor, node);
      return undefined;
    },
  });
  return mistakes;
}

/** Keys written twice, and keys with a meaning outside of manifests. */
function keyMistakes(map: YAMLMap): Mistake[] {
  const mistakes: Mistake[] = [];
  const seen = new Set<string>();
  for (const { key } of map.items) {
    if (!isScalar(key)) continue;
    const name = String(key.value);
    const offset = key.range?.[0] ?? 0;
    if (seen.has(name)) {
      const message = `\`${name}\` is written twice in this map; a key stands once`;
      mistakes.push({ code: "yaml-duplicate-key", offset, message, hint: "Remove one of them, or separate two objects by a line `---`." });
    }
    if (name === "<<") {
      const message = "the merge key `<<` is not supported; YAML 1.2 has none";
      mistakes.push({ code: "yaml-feature", offset, message, hint: "Write the fields out." });
    }
    if (name === "__proto__")
      mistakes.push({ code: "yaml-feature", offset, message: "`__proto__` can't be used as a key", hint: "Use another name." });
    seen.add(name);
  }
  return mistakes;
}

/** What is wrong with one alias. One level of them is allowed: with more, a few lines could stand for gigabytes. */
function aliasMistake(alias: Alias, anchors: Anchors, ancestors: readonly Node[]): Mistake | null {
  for (const ancestor of ancestors) anchors.holdingAlias.add(ancestor);
  anchors.aliases++;
  const offset = alias.range?.[0] ?? 0;
  const target = anchors.named.get(alias.source);
  if (target === undefined) {
    const message = `the alias \`*${alias.source}\` has no anchor \`&${alias.source}\` before it in this document`;
    return { code: "yaml-alias", offset, message, hint: "Write the value itself; put a text that starts with `*` in quotes." };
  }
  if (anchors.holdingAlias.has(target)) {
    const message = `the alias \`*${alias.source}\` stands for a value that holds aliases itself; only one level is allowed`;
    return { code: "yaml-alias", offset, message, hint: "Write the value out." };
  }
  if (anchors.aliases <= MAX_ALIASES) return null;
  return { code: "yaml-alias", offset, message: `the document uses more than ${MAX_ALIASES} aliases`, hint: "Write the values out." };
}
